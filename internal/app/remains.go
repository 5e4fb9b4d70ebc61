package app

import "bridge/internal/config"

// remains says what an erasure cannot reach in the store's files: an encrypted store is not overwritten.
func remains(env *config.Env) []string {
	if env.NatsURL == "" && !env.StoreKey.Empty() {
		return []string{"erased messages in the store's files, encrypted until compaction"}
	}
	return nil
}
