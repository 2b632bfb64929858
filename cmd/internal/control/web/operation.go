package web

// registerOperation puts the views of running flows, of governance and of the control
// plane itself into the mux.
func (h *Handler) registerOperation() {
	for _, v := range []struct {
		method, path string
		f            viewHandler
	}{
		{"GET", "/flows/{id}", showFlow},
		{"GET", "/flows/{id}/events", flowEvents},
		{"GET", "/flows/{id}/edit", showEdit},
		{"POST", "/flows/{id}/edit", edit},
		{"POST", "/flows/{id}/resolve", resolve},
		{"GET", "/flows/{id}/undo/{offset}", showUndo},
		{"GET", "/flows/{id}/pause", showPause},
		{"POST", "/flows/{id}/pause", act("disable", "paused")},
		{"POST", "/flows/{id}/resume", act("enable", "resumed")},
		{"GET", "/flows/{id}/delete", showDelete},
		{"POST", "/flows/{id}/delete", deleteFlow},
		{"GET", "/flows/{id}/letters", showLetters},
		{"POST", "/flows/{id}/jobs/stop", stopJob},
		{"GET", "/flows/{id}/resend", showResend},
		{"POST", "/flows/{id}/resend", resendEvents},
		{"GET", "/flows/{id}/settle/{op}", showSettle},
		{"POST", "/flows/{id}/settle/{op}", settle},
		{"GET", "/governance", showGovernance},
		{"POST", "/governance/core", setCore},
		{"POST", "/governance/custom", setCustom},
		{"POST", "/governance/actions", putAction},
		{"POST", "/governance/actions/delete", deleteAction},
		{"GET", "/governance/policy", showPolicy},
		{"POST", "/governance/policy", savePolicy},
		{"GET", "/governance/policy/{id}", showPolicy},
		{"POST", "/governance/policy/{id}", savePolicy},
		{"POST", "/governance/policies/delete", deletePolicy},
		{"GET", "/activity", showActivity},
		{"GET", "/settings", showSettings},
	} {
		h.view(v.method, v.path, v.f)
	}
}
