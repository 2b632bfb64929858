// Package embeddedkinesis is a Kinesis-compatible stream service in memory,
// for the demo and for tests. It is an [http.Handler] that speaks
// awsJson1.1 and the CBOR of the Java SDK, so every AWS SDK can talk to it.
//
// It is never kinder than the real service: limits of requests, records and
// keys are always enforced and those of shards on request, the entries of one
// call are applied in a shuffled order because the real one promises none, and
// a script can make any call or entry fail, hang, or lose its answer after the
// records were stored. A load takes from the shards' limits what another producer
// would, or lowers them.
//
// Time is that of package time, so a synctest bubble makes it virtual. Reading
// back is possible through the API and, for checks, through [Server.Records].
package embeddedkinesis
