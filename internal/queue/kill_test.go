package queue

const childEnv = "QUEUE_TEST_CHILD"

func child(string) int { return 1 }
