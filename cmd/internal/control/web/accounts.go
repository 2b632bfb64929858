package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The ways to authenticate, as the API calls them, by their names in addresses.
var authSpecs = map[string]string{
	"keys": "Aws Kinesis authentication credentials", "role": "Aws Kinesis assumed role", "default": "Aws Kinesis default chain",
}

// authName is the name in addresses of a way to authenticate.
func authName(specName string) string {
	for name, spec := range authSpecs {
		if spec == specName {
			return name
		}
	}
	return ""
}

// accountFields are those of an account's form, as the API calls them.
var accountFields = []string{
	"name", "description", "auth.params.accessKeyId", "auth.params.secretKey", "auth.params.region", "auth.params.roleArn",
	"auth.params.connectionUrl",
}

const accountsAPage = 25

type listedAccount struct {
	account
	Uses int
}

// AuthName is how the account is reached, in an address's word.
func (a listedAccount) AuthName() string { return authName(a.Auth.SpecName) }

type accountsView struct {
	Query       string
	Accounts    []listedAccount
	Next, First string
	Connect     bool // one is to be chosen
	Regions     []string
}

// showAccounts lists the accounts, and where each is used.
func showAccounts(p *page) error { return p.listAccounts(false) }

// showConnect asks for an account to connect by.
func showConnect(p *page) error { return p.listAccounts(true) }

func (p *page) listAccounts(connect bool) error {
	given := p.r.URL.Query()
	v := accountsView{Query: strings.TrimSpace(given.Get("q")), Connect: connect}
	query := url.Values{"limit": {strconv.Itoa(accountsAPage)}, "orderby": {"+name"}, "property": {"connectionSpec.id==" + kinesisSpec}}
	if v.Query != "" {
		query.Add("property", "name~="+v.Query)
	}
	here := p.base() + map[bool]string{true: "/connect", false: "/accounts"}[connect]
	address := func(from string) string { return here + "?" + url.Values{"q": {v.Query}, "from": {from}}.Encode() }
	if from := given.Get("from"); from != "" {
		query.Set("continuationToken", from)
		v.First = here
	}
	var found list[account]
	if err := p.get(p.ctx(), flowService+"/connections?"+query.Encode(), &found); err != nil {
		return err
	}
	if next := found.Links.Next; next != nil {
		if u, err := url.Parse(next.Href); err == nil {
			v.Next = address(u.Query().Get("continuationToken"))
		}
	}
	for _, a := range found.Items {
		uses, err := p.count("targetConnections", "baseConnectionId=="+a.ID)
		if err != nil {
			return err
		}
		v.Accounts = append(v.Accounts, listedAccount{a, uses})
	}
	title := map[bool]string{true: "connect.title", false: "accounts.title"}[connect]
	return p.show(http.StatusOK, "accounts", "catalog", title, v, nil)
}

type accountView struct {
	Form     Form
	Auth     string
	Account  *account // nil: a new one
	Uses     int
	Report   any   // of a test that failed
	Reports  []any // of a test that was asked for
	Untested bool  // it may be taken untested
	Regions  []string
}

// newAccount shows the form of an account; what was filled in before is still there.
func newAccount(p *page) error {
	auth := p.r.URL.Query().Get("auth")
	if authSpecs[auth] == "" {
		auth = "keys"
	}
	return p.show(http.StatusOK, "account", "catalog", "account.title", accountView{Form: Form{Values: p.draft("account/" + auth)}, Auth: auth, Regions: regions}, nil)
}

// authBody is how an account is to be reached; a field that is empty is left out.
func authBody(auth string, values url.Values) map[string]any {
	params := map[string]any{}
	for _, field := range accountFields {
		name, isParam := strings.CutPrefix(field, "auth.params.")
		if value := strings.TrimSpace(values.Get(field)); isParam && value != "" {
			params[name] = value
		}
	}
	return map[string]any{"specName": authSpecs[auth], "params": params}
}

// makeAccount makes an account, after the API has tested it.
func makeAccount(p *page) error {
	values, err := p.form()
	if err != nil {
		return err
	}
	auth := values.Get("auth")
	if authSpecs[auth] == "" {
		auth = "keys"
	}
	p.keepDraft("account/"+auth, values)
	path := flowService + "/connections"
	if values.Get("untested") != "" {
		path += "?validate=false"
	}
	var made struct {
		ID string `json:"id"`
	}
	_, err = p.call(p.ctx(), http.MethodPost, path, map[string]any{
		"name": strings.TrimSpace(values.Get("name")), "description": strings.TrimSpace(values.Get("description")),
		"connectionSpec": spec{kinesisSpec, specVersion}, "auth": authBody(auth, values),
	}, &made)
	if err != nil {
		refusal, err := refused(err, accountFields...)
		if err != nil {
			return err
		}
		v := accountView{Form: Form{shown(values), refusal}, Auth: auth, Report: refusal.Cause.Report, Untested: refusal.Cause.Report != nil, Regions: regions}
		return p.show(refusal.Cause.Status, "account", "catalog", "account.title", v, refusal)
	}
	p.dropDraft("account/" + auth)
	if auth == "role" && strings.TrimSpace(values.Get("auth.params.roleArn")) == "" {
		p.redirect(p.base() + "/accounts/" + made.ID + "?done=account.role")
		return nil
	}
	p.redirect(p.base() + "/connect/" + made.ID + "?done=account.made")
	return nil
}

// account looks an account up.
func (p *page) account(id string) (*account, error) {
	var found list[account]
	if err := p.get(p.ctx(), flowService+"/connections/"+url.PathEscape(id), &found); err != nil {
		return nil, err
	}
	return &found.Items[0], nil
}

// accountForm is an account as its form shows it.
func accountForm(a *account) url.Values {
	return url.Values{
		"name": {a.Name}, "description": {a.Description}, "auth.params.region": {a.Auth.Params.Region},
		"auth.params.roleArn": {a.Auth.Params.RoleARN}, "auth.params.connectionUrl": {a.Auth.Params.Endpoint}, "etag": {a.Etag},
	}
}

func showAccount(p *page) error {
	v, err := p.accountView()
	if err != nil {
		return err
	}
	return p.show(http.StatusOK, "account", "catalog", "account.title", v, nil)
}

func (p *page) accountView() (accountView, error) {
	a, err := p.account(p.r.PathValue("id"))
	if err != nil {
		return accountView{}, err
	}
	uses, err := p.count("targetConnections", "baseConnectionId=="+a.ID)
	return accountView{Form: Form{Values: accountForm(a)}, Auth: authName(a.Auth.SpecName), Account: a, Uses: uses, Regions: regions}, err
}

// changeAccount changes an account by its form, or tests or deletes it.
func changeAccount(p *page) error {
	values, err := p.form()
	if err != nil {
		return err
	}
	v, err := p.accountView()
	if err != nil {
		return err
	}
	path := flowService + "/connections/" + url.PathEscape(v.Account.ID)
	switch values.Get("go") {
	case "test":
		var answer struct {
			Reports []any `json:"reports"`
		}
		if err := p.get(p.ctx(), path+"/test", &answer); err != nil {
			return err
		}
		v.Reports = answer.Reports
		return p.show(http.StatusOK, "account", "catalog", "account.title", v, nil)
	case "delete":
		if values.Get("confirm") != v.Account.Name {
			refusal := &Refusal{Fields: []Problem{{"confirm", p.t("delete.type", v.Account.Name)}}}
			v.Form.Refusal = refusal
			return p.show(http.StatusBadRequest, "account", "catalog", "account.title", v, refusal)
		}
		_, err = p.call(p.ctx(), http.MethodDelete, path, nil, nil, "If-Match", values.Get("etag"))
		if err == nil {
			p.redirect(p.base() + "/accounts?done=account.deleted")
			return nil
		}
	default:
		if values.Get("untested") != "" {
			path += "?validate=false"
		}
		_, err = p.call(p.ctx(), http.MethodPatch, path, accountPatch(v, values), nil, "If-Match", values.Get("etag"))
		if err == nil {
			p.redirect(p.base() + "/accounts/" + url.PathEscape(v.Account.ID) + "?done=account.changed")
			return nil
		}
	}
	refusal, err := refused(err, accountFields...)
	if err != nil {
		return err
	}
	v.Form, v.Report, v.Untested = Form{shown(values), refusal}, refusal.Cause.Report, refusal.Cause.Report != nil
	v.Form.Values.Set("etag", v.Account.Etag)
	return p.show(refusal.Cause.Status, "account", "catalog", "account.title", v, refusal)
}

// accountPatch is what a form changes of an account: keys only where new ones are given.
func accountPatch(v accountView, values url.Values) []map[string]any {
	operations := []map[string]any{{"op": "replace", "path": "/name", "value": strings.TrimSpace(values.Get("name"))}}
	operations = append(operations, map[string]any{"op": "add", "path": "/description", "value": strings.TrimSpace(values.Get("description"))})
	operations = append(operations, map[string]any{"op": "replace", "path": "/auth", "value": authBody(v.Auth, values)})
	return operations
}

// regions are suggestions: the API says which there are.
var regions = slices.Sorted(slices.Values([]string{
	"us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1", "eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1",
	"eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "ap-south-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3",
	"ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "me-central-1", "me-south-1", "af-south-1", "il-central-1",
}))
