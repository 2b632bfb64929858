package api

import (
	"log/slog"
	"net/http"
)

// Permission is what a caller may do, as the platform has it.
type Permission string

// The permissions. Whoever may manage or activate may also view.
const (
	View     Permission = "view"     // look at documents, runs and policies
	Manage   Permission = "manage"   // connections, policies and marketing actions; making and deleting flows
	Activate Permission = "activate" // segments, attributes and the state of flows; also where a new flow has them
)

// Caller is who asks, and where.
type Caller struct {
	Name         string // of the token, or "loopback"
	Client       string // x-api-key, as the platform has it; of no meaning here
	Organisation string // x-gw-ims-org-id, likewise
	Sandbox      string
}

// Identify tells who sent a request, or refuses it: for want of a token, of a
// permission or of the sandbox.
type Identify func(r *http.Request, need Permission) (Caller, error)

// CallerHandler answers a request of a caller; an error is its refusal.
type CallerHandler func(c Caller, w http.ResponseWriter, r *http.Request) error

// For makes handlers of the standard library from those that are for callers with a
// permission.
func (identify Identify) For(log *slog.Logger, need Permission, handler CallerHandler) http.HandlerFunc {
	return Handle(log, func(w http.ResponseWriter, r *http.Request) error {
		caller, err := identify(r, need)
		if err != nil {
			return err
		}
		return handler(caller, w, r)
	})
}
