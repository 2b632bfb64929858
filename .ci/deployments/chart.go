package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	keda "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// kinds are what the chart may make. A key that the kind's own Go type does not
// have, given twice or of another type is a mistake.
var kinds = map[string]func() any{
	"v1/ConfigMap": func() any { return new(core.ConfigMap) }, "v1/Service": func() any { return new(core.Service) },
	"v1/ServiceAccount": func() any { return new(core.ServiceAccount) }, "apps/v1/Deployment": func() any { return new(apps.Deployment) },
	"policy/v1/PodDisruptionBudget":           func() any { return new(policy.PodDisruptionBudget) },
	"networking.k8s.io/v1/NetworkPolicy":      func() any { return new(networking.NetworkPolicy) },
	"monitoring.coreos.com/v1/ServiceMonitor": func() any { return new(monitoring.ServiceMonitor) },
	"monitoring.coreos.com/v1/PrometheusRule": func() any { return new(monitoring.PrometheusRule) },
	"keda.sh/v1alpha1/ScaledObject":           func() any { return new(keda.ScaledObject) },
}

// builtIn are the kinds whose schema a cluster has of itself.
var builtIn = []string{"v1", "apps/v1", "policy/v1", "networking.k8s.io/v1"}

// checkChart reads rendered manifests (args[0]) strictly, writes the built-in
// kinds to args[1] for a check by schema, and the ConfigMap's files to the folder
// args[2], the containers' command lines to args[1].commands. Further arguments are the kinds that must be there.
func checkChart(args []string) (string, []error) {
	if len(args) < 3 {
		return "", []error{errors.New("chart RENDERED BUILT-IN FOLDER KIND…")}
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return "", []error{err}
	}
	var problems []error
	var seen []string
	var commands [][]string
	var native bytes.Buffer
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", append(problems, err)
		}
		var head struct{ APIVersion, Kind string }
		if err := yaml.Unmarshal(document, &head); err != nil {
			return "", append(problems, err)
		}
		if head.Kind == "" {
			continue
		}
		seen = append(seen, head.Kind)
		if slices.Contains(builtIn, head.APIVersion) {
			fmt.Fprintf(&native, "---\n%s", document)
		}
		if head.Kind == "Deployment" {
			var d apps.Deployment
			if err := yaml.Unmarshal(document, &d); err == nil && len(d.Spec.Template.Spec.Containers) > 0 { // else checkManifest says what is wrong
				commands = append(commands, d.Spec.Template.Spec.Containers[0].Args)
			}
		}
		if err := checkManifest(head.APIVersion+"/"+head.Kind, document, args[2]); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", head.Kind, err))
		}
	}
	for _, kind := range args[3:] {
		if !slices.Contains(seen, kind) {
			problems = append(problems, fmt.Errorf("no %s was rendered", kind))
		}
	}
	if err := writeCommands(args[1]+".commands", commands); err != nil {
		problems = append(problems, err)
	}
	if err := os.WriteFile(args[1], native.Bytes(), 0o644); err != nil {
		problems = append(problems, err)
	}
	return fmt.Sprintf("%d manifests fit their types", len(seen)), problems
}

func checkManifest(kind string, document []byte, folder string) error {
	empty := kinds[kind]
	if empty == nil {
		return fmt.Errorf("%s is not known to this check", kind)
	}
	manifest := empty()
	if err := yaml.UnmarshalStrict(document, manifest); err != nil {
		return err
	}
	switch m := manifest.(type) {
	case *monitoring.PrometheusRule:
		return sameRules(m.Spec)
	case *core.ConfigMap:
		if m.Labels["grafana_dashboard"] != "" {
			return sameDashboard(m.Data)
		}
		if strings.HasSuffix(m.Name, "-control") { // sources, which no destination's check reads
			return nil
		}
		for name, text := range m.Data {
			if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
				return err
			}
		}
	case *apps.Deployment:
		return checkPod(m.Spec.Template.Spec)
	}
	return nil
}

// What the chart hands on is what stands in these files, not a copy that drifts.
const (
	rulesFile     = "deployments/prometheus/alerts.yaml"
	dashboardFile = "deployments/grafana/kinesis-destination.json"
)

func sameRules(got monitoring.PrometheusRuleSpec) error {
	text, err := os.ReadFile(rulesFile)
	if err != nil {
		return err
	}
	var want monitoring.PrometheusRuleSpec
	if err := yaml.UnmarshalStrict(text, &want); err != nil {
		return err
	}
	const address = "https://git.example.com/kinesis-destination/RUNBOOK.md" // ci/full-values.yaml
	for _, group := range want.Groups {
		for _, rule := range group.Rules {
			rule.Annotations["runbook_url"] = strings.Replace(rule.Annotations["runbook_url"], "deployments/RUNBOOK.md", address, 1)
		}
	}
	if len(want.Groups) == 0 || !reflect.DeepEqual(got, want) {
		return errors.New("its rules are not those of " + rulesFile)
	}
	return nil
}

func sameDashboard(files map[string]string) error {
	want, err := os.ReadFile(dashboardFile)
	if err != nil {
		return err
	}
	if got := files[filepath.Base(dashboardFile)]; strings.TrimSpace(got) != strings.TrimSpace(string(want)) {
		return errors.New("its dashboard is not " + dashboardFile)
	}
	return nil
}

// checkPod looks that a pod meets the restricted Pod Security Standard, reads its
// configuration where it is mounted, and holds no secret in clear.
func checkPod(pod core.PodSpec) error {
	var problems []error
	require := func(ok bool, what string) {
		if !ok {
			problems = append(problems, errors.New(what))
		}
	}
	s, c := pod.SecurityContext, pod.Containers[0]
	require(s != nil && *s.RunAsNonRoot && *s.RunAsUser == 65532 && s.SeccompProfile.Type == core.SeccompProfileTypeRuntimeDefault, "the pod must run as 65532 with the runtime's seccomp profile")
	require(c.SecurityContext != nil && *c.SecurityContext.ReadOnlyRootFilesystem && !*c.SecurityContext.AllowPrivilegeEscalation &&
		slices.Equal(c.SecurityContext.Capabilities.Drop, []core.Capability{"ALL"}), "the container must have a read-only root and no capability")
	require(pod.AutomountServiceAccountToken != nil && !*pod.AutomountServiceAccountToken, "the pod needs no token of the cluster")
	require(c.StartupProbe != nil && c.LivenessProbe != nil && c.ReadinessProbe != nil && c.ReadinessProbe.HTTPGet.Path == "/readyz", "all three probes are needed")
	require(*pod.TerminationGracePeriodSeconds > 15, "draining takes up to 15 s")
	for _, m := range c.VolumeMounts {
		require(m.ReadOnly, m.Name+" must be mounted read-only")
	}
	for _, before := range pod.InitContainers {
		require(reflect.DeepEqual(before.SecurityContext, c.SecurityContext), before.Name+" may do no more than "+c.Name)
		require(reflect.DeepEqual(before.Env, c.Env) && reflect.DeepEqual(before.VolumeMounts, c.VolumeMounts), before.Name+" must see what "+c.Name+" sees")
	}
	for _, e := range c.Env {
		require(e.Value == "" || e.ValueFrom == nil, e.Name+" has two values")
	}
	return errors.Join(problems...)
}
