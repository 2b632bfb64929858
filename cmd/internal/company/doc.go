// Package company makes a believable company through the API of a control plane, as a
// person or a script would: an account, three streams, and three flows that read two
// sources. It is what the demo's pages show.
package company
