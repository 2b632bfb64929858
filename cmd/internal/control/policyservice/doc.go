// Package policyservice answers the calls under /data/foundation/dulepolicy: which
// marketing actions and policies there are, and what they forbid.
//
// A policy is judged by package transform, which judges it in the pipeline; here it is
// only kept. Core policies have the ids corepolicy_0001 and so on, in their order
// there. A change after which a flow that is enabled would violate a policy is refused
// with 409; it names the versions of all flows as read, so that one which is activated
// meanwhile makes it be judged anew.
package policyservice
