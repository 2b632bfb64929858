package web

import "testing"

// A browser ends a line at each of three line breaks. Behind one that is not looked for,
// what people wrote would be a field of the event, or its end.
func TestNoLineBreakLeavesTheDataOfAnEvent(t *testing.T) {
	const text = "a\rdata: b\r\nevent: c\n\nd\r\r"
	const want = "event: live\ndata: a\ndata: data: b\ndata: event: c\ndata: \ndata: d\ndata: \ndata: \n\n"
	if got := event("live", text); got != want {
		t.Errorf("got %q, wanted %q", got, want)
	}
}
