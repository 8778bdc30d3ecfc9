// Package oldredis moves messages between the Redis of gopush-cluster 1.0 and a store of
// this gopush. There, each subscription key is a sorted set of the same name: a member is
// {"msg":<JSON>,"expire":<seconds since 1970>}, and its score is the id, rounded to a
// double.
//
// An import only reads from Redis. It may run again and again while the old system goes
// on, and after it was killed: what is there already is not stored twice. An export brings
// back what was pushed here meanwhile, and may run again and again likewise.
package oldredis
