// Package api is what both services of the control plane say alike over HTTP: how a
// body is read and its fields are judged, how a refusal looks, entity tags, JSON
// Patch and lists. It knows no document.
//
// A refusal is an [*Error]. It has the members of all three shapes that the
// platform's services answer with, and names every field that is wrong. Whatever
// else a handler returns as an error is logged and answered with 500, without its
// text: it may quote what must not be shown.
package api
