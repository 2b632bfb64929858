package policyservice

import (
	"bytes"
	"fmt"
	"net/http"

	"go.yaml.in/yaml/v3"

	"kinesis-destination/cmd/internal/control/api"
)

// exportPolicies answers the custom policies as a policies file, which an exported
// destination names.
func (s *Service) exportPolicies(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	v, err := s.view(w, r)
	if err != nil {
		return err
	}
	policies, err := Policies(v, c.Sandbox)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := encoder.Encode(policies.Custom); err != nil {
		return fmt.Errorf("export policies: %w", err)
	}
	w.Header().Set("Content-Type", "application/yaml")
	w.Header().Set("Content-Disposition", `attachment; filename="policies.yaml"`)
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(text.Bytes()) // a caller that is gone cannot be told
	return nil
}
