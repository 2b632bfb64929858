package flowservice

import (
	"errors"
	"net/http"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/documents"
)

const mediaYAML = "application/yaml"

// policiesFile is where an exported destination looks for custom policies; the policy
// service exports them.
const policiesFile = "policies.yaml"

// export answers a flow as a destination's file. The group and the topic of dead
// letters are written out, so that run goes on where the flow is.
func (s *Service) export(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	v, err := s.view(w, r)
	if err != nil {
		return err
	}
	e, err := find(v, s.flowKind(), c.Sandbox, r.PathValue("id"))
	if err != nil {
		return err
	}
	var f Flow
	if err := documents.Decode(e, &f); err != nil {
		return err
	}
	text, err := s.Export(v, c.Sandbox, &f)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", mediaYAML)
	w.Header().Set("Content-Disposition", `attachment; filename="destination.yaml"`)
	w.Header().Set("ETag", api.Quoted(e.Etag))
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(text) // a caller that is gone cannot be told
	return nil
}

// Export is a flow as a destination's file, without secrets.
func (s *Service) Export(v documents.Reader, sandbox string, f *Flow) ([]byte, error) {
	var problems []api.FieldError
	report := func(field, message string) {
		problems = append(problems, api.FieldError{Field: field, Message: message})
	}
	p, ok := s.gather(v.Get, v, sandbox, f, report)
	if !ok {
		return nil, refusal(problems)
	}
	c, _ := s.configuration(p, report)
	if auth := p.account.Auth; auth != nil && auth.SpecName == AuthKeys {
		hidden := config.Secret("", "")
		c.Target.Kinesis.Credentials.AccessKeyID, c.Target.Kinesis.Credentials.SecretAccessKey = hidden, hidden
	}
	c.Default()
	if config.DestinationName.MatchString(f.Name) {
		c.Name = f.Name
	}
	if c.Server.Listen == config.DefaultListen {
		c.Server.Listen = ""
	}
	if custom := c.Governance.Custom; len(custom.Policies)+len(custom.MarketingActions) > 0 {
		c.Governance.PoliciesFile = policiesFile
	}
	c.Governance.Custom = nil
	text, err := config.Write(&c)
	if problem, ok := errors.AsType[config.Problem](err); ok {
		return nil, api.Invalid([]api.FieldError{{Field: problem.Path, Message: problem.Message}})
	}
	return text, err
}
