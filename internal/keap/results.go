package keap

import (
	"encoding/json"
	"fmt"
)

// rowResults reads the results per item of a batch. The specification of v1 and what has been observed disagree, so
// all known shapes are taken: {"id": "RESULT"}, {"id": {…}}, [{"id": "RESULT"}, …] and [{"key": "RESULT"}, …], the last
// by position in ids. An object means success unless it names a result, because failures come as strings.
func rowResults(raw json.RawMessage, ids []string) (map[string]string, error) {
	out := map[string]string{}
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) == nil && object != nil {
		for id, value := range object {
			out[id] = result(value)
		}
		return out, nil
	}
	var array []map[string]json.RawMessage
	if err := json.Unmarshal(raw, &array); err != nil {
		return nil, err
	}
	for i, entry := range array {
		value, named := entry["key"]
		switch {
		case named && len(entry) == 1 && len(array) == len(ids):
			out[ids[i]] = result(value)
		case named || len(entry) != 1:
			return nil, fmt.Errorf("an entry of %d values for %d ids", len(entry), len(ids))
		default:
			for id, value := range entry {
				out[id] = result(value)
			}
		}
	}
	return out, nil
}

// result reads one item's result.
func result(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil && text != "" {
		return text
	}
	var object map[string]any
	if json.Unmarshal(value, &object) != nil || object == nil {
		return string(TagUnanswered)
	}
	for _, name := range []string{"result", "status", "key", "value"} {
		if text, ok := object[name].(string); ok && text != "" {
			return text
		}
	}
	return string(TagSuccess)
}

// answered gives every id that was asked for its result, and missing to those that the answer did not mention.
func answered[R ~string](said map[string]string, ids []string, missing R) map[string]R {
	out := make(map[string]R, len(ids))
	for _, id := range ids {
		out[id] = missing
		if text, ok := said[id]; ok {
			out[id] = R(text)
		}
	}
	return out
}
