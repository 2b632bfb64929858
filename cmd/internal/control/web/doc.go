// Package web is the control plane as pages for a browser: connect an account, set a
// destination up, activate segments, and see what it does.
//
// A page decides nothing that the API decides. It makes the same calls, in this
// process ([Options].API), with the caller's own token; so every field is judged once,
// and page and API refuse it with the same words. Pages are made here, of html/template,
// and work without script; htmx and page.js make some of them livelier. A browser gets
// no token and no credential in a page: the token stays in the session, and secrets of
// a form are not shown again.
//
// A handler runs in its request's goroutine; sessions and drafts are guarded by a mutex
// each, are kept in memory and bounded. So are redrives and drops, which outlive their
// requests; [Handler.Close] ends them, and live pages, and waits.
package web
