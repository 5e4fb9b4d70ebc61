package app

import "bridge/internal/config"

// remains says what an erasure cannot reach in the store's files: there is no call to compact them.
func remains(env *config.Env) []string {
	switch {
	case env.NatsURL != "":
		return []string{"older versions of the steps of erased events, in the files of the NATS servers until those compact them"}
	case !env.StoreKey.Empty():
		return []string{"erased messages in the store's files, encrypted until compaction"}
	}
	return []string{"older versions of the steps of erased events, in the store's files until it compacts them"}
}
