// Package config reads the configuration and the environment, and tells every mistake in them at once.
//
// Load reads a file or a directory; its error is Mistakes: each with file, line and column. What it returns is complete
// and checked: keys looked at, sources buildable, rules compiled. Reload takes an older Config along: a file that has
// become invalid keeps its old version. EnvFrom reads BRIDGE_* variables. Schema is the JSON Schema for editors, made
// from the same types that the decoder uses. RunTests runs the tests written beside the rules.
//
// YAML is decoded here rather than by the library's own decoder, because that one stops at the first mistake and
// shows the values it does not like; secrets must not be shown. Do not rely on the wording of mistakes.
package config
