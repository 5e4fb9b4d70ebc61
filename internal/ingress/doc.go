// Package ingress takes webhooks over HTTP: POST /hooks/{account}/{source}. It reads a bounded body, lets the
// source verify and parse it in one step, and answers 2xx only after the events are behind the durable line.
// It decides nothing about events and calls nobody else.
package ingress
