//! Manifests in the forms in which users have them: what `kubectl apply` takes is taken, and what the API server
//! refuses is refused. Each answer was held against an API server of Kubernetes 1.35 with the custom resources of
//! KEDA 2.21 and Karpenter 1.14.

use model::api::Budget;
use model::hpa::{Source, Target};
use model::scenario::{Files, Scenario, Severity, load};

use crate::sample::{MANIFESTS, SCENARIO, files, loaded, spoilt, with};

/// All errors and warnings, as they are printed.
fn said(files: &Files) -> Vec<String> {
    let (_, report) = loaded(files);
    let problems = report.problems.iter();
    problems
        .filter(|problem| problem.severity != Severity::Advice)
        .map(ToString::to_string)
        .collect()
}

/// Exactly this is said.
#[track_caller]
pub(crate) fn check(files: &Files, expected: &[&str]) {
    assert_eq!(said(files), expected);
}

/// Nothing is said.
#[track_caller]
pub(crate) fn sound(files: &Files) -> Scenario {
    check(files, &[]);
    loaded(files).0.expect("it runs")
}

/// The sample with other files of manifests, among them one of another name.
pub(crate) fn beside(path: &str, text: &str) -> Files {
    files(SCENARIO, &[("manifests/web.yaml", MANIFESTS), (path, text)])
}

pub(crate) const BUDGET: &str = "apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web, namespace: shop}
spec:
  maxUnavailable: 1
  selector: {matchLabels: {app: web}}
";

pub(crate) fn budgets(files: &Files) -> usize {
    sound(files).objects.pod_disruption_budgets.len()
}

#[test]
fn files_of_all_kinds_of_editors() {
    assert_eq!(budgets(&with(BUDGET)), 1);
    assert_eq!(budgets(&with(&BUDGET.replace('\n', "\r\n"))), 1);
    assert_eq!(budgets(&with(&format!("\u{feff}{BUDGET}"))), 1);
    let json = r#"{"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}}}"#;
    assert_eq!(budgets(&beside("manifests/budget.json", json)), 1);
    check(
        &with(&BUDGET.replace("  maxUnavailable", "\tmaxUnavailable")),
        &[
            "manifests/more.yaml:5:2: error[E001]: not YAML that can be read: tabs disallowed within this context \
             (block indentation)\n  hint: YAML is indented by spaces; this line begins with a tab",
        ],
    );
}

#[test]
fn lists_as_kubectl_writes_them() {
    let indented = BUDGET.replace('\n', "\n  ");
    let list =
        format!("apiVersion: v1\nkind: List\nmetadata: {{resourceVersion: \"\"}}\nitems:\n- {indented}");
    assert_eq!(budgets(&with(&list)), 1);
    // The items of a list of one kind need not repeat it.
    let bare = indented
        .replace("apiVersion: policy/v1\n  ", "")
        .replace("kind: PodDisruptionBudget\n  ", "");
    let typed = format!("apiVersion: policy/v1\nkind: PodDisruptionBudgetList\nitems:\n- {bare}");
    assert_eq!(budgets(&with(&typed)), 1);
    check(
        &with(&typed.replace("maxUnavailable", "maxUnavailabel")),
        &[
            "manifests/more.yaml:5:3: warning[W003] PodDisruptionBudget/web: spec: with neither minAvailable nor maxUnavailable the budget lets no pod be evicted\n  hint: say one of them",
            "manifests/more.yaml:6:21: error[E002] PodDisruptionBudget/web: spec.maxUnavailabel: unknown field \"maxUnavailabel\"\n  hint: did you mean \"maxUnavailable\"?",
        ],
    );
    sound(&with("apiVersion: v1\nkind: List\nitems: []\n"));
}

#[test]
fn merge_keys_and_the_words_of_yaml_1_1() {
    let budget = "apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: web
  namespace: shop
  labels: &common {app: web, tier: front}
spec:
  maxUnavailable: 010
  selector:
    matchLabels:
      <<: *common
      tier: back
";
    let scenario = sound(&with(budget));
    let own = &scenario.objects.pod_disruption_budgets[0];
    assert_eq!(
        own.budget,
        Budget::MaxUnavailable(model::api::IntOrPercent::Int(8))
    );
    let selector = own.selector.as_ref().expect("a selector");
    let labels = |tier: &str| [("app", "web"), ("tier", tier)].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert!(selector.matches(&labels("back").into()) && !selector.matches(&labels("front").into()));
    // kubectl makes a truth value of this, which is no label.
    check(
        &with(&budget.replace("tier: back", "tier: y")),
        &[
            "manifests/more.yaml:12:13: error[E003] PodDisruptionBudget/web: spec.selector.matchLabels.tier: expected a text, found y\n  hint: write it in quotes: \"y\"",
        ],
    );
    sound(&spoilt(
        "      containers:\n",
        "      hostNetwork: yes\n      containers:\n",
    ));
}

#[test]
fn a_kustomization_is_passed_over_whatever_it_says() {
    check(
        &beside(
            "manifests/kustomization.yaml",
            "resources: [web.yaml]\nnamePrefix: my-\n",
        ),
        &[
            "manifests/kustomization.yaml: warning[W002]: this file is ignored: manifests are read as they are\n  hint: where it changes anything, put what `kubectl kustomize` prints into manifests/",
        ],
    );
}

#[test]
fn templates_are_told_apart() {
    check(
        &with("apiVersion: v1\nkind: Service\nmetadata: {{ .Values.metadata }}\n"),
        &[
            "manifests/more.yaml:3:12: error[E001]: not YAML that can be read: a mapping's key must be a scalar\n  hint: a template is no manifest yet: render it first, as `helm template` or `envsubst` do",
        ],
    );
    check(
        &with(&BUDGET.replace("name: web,", "name: \"{{ .Release.Name }}\",")),
        &[
            "manifests/more.yaml:3:18: error[E004] metadata.name: \"{{ .Release.Name }}\" is no name for a PodDisruptionBudget\n  hint: a template is no manifest yet: render it first, as `helm template` or `envsubst` do",
        ],
    );
}

/// What `kubectl get -o yaml` shows of objects, all that the API server adds included.
#[test]
fn what_the_api_server_adds_is_passed_over() {
    let deployment = "apiVersion: apps/v1
kind: Deployment
metadata:
  annotations:
    deployment.kubernetes.io/revision: \"1\"
    kubectl.kubernetes.io/last-applied-configuration: |
      {\"apiVersion\":\"apps/v1\"}
  creationTimestamp: \"2026-01-01T00:00:00Z\"
  generation: 1
  managedFields:
  - {apiVersion: apps/v1, fieldsType: FieldsV1, fieldsV1: {f:spec: {f:replicas: {}}}, manager: kubectl, operation: Update}
  name: api
  namespace: shop
  resourceVersion: \"279\"
  uid: 1ba6c5ac-2c7b-4d7b-9fbb-f4d2d3f4d3cf
spec:
  paused: false
  progressDeadlineSeconds: 600
  replicas: 1
  revisionHistoryLimit: 10
  selector: {matchLabels: {app: api}}
  strategy: {rollingUpdate: {maxSurge: 25%, maxUnavailable: 25%}, type: RollingUpdate}
  template:
    metadata:
      creationTimestamp: null
      labels: {app: api}
    spec:
      containers:
      - image: api:1
        imagePullPolicy: IfNotPresent
        name: api
        resources: {}
        terminationMessagePath: /dev/termination-log
        terminationMessagePolicy: File
      dnsPolicy: ClusterFirst
      restartPolicy: Always
      schedulerName: default-scheduler
      securityContext: {}
      terminationGracePeriodSeconds: 30
status: {availableReplicas: 1, observedGeneration: 1}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop, uid: 5c, deletionTimestamp: null}
spec:
  allocateLoadBalancerNodePorts: true
  clusterIP: 10.0.0.7
  clusterIPs: [10.0.0.7]
  externalIPs: [192.0.2.1]
  externalTrafficPolicy: Local
  healthCheckNodePort: 31000
  internalTrafficPolicy: Cluster
  ipFamilies: [IPv4]
  ipFamilyPolicy: SingleStack
  loadBalancerIP: 192.0.2.2
  ports: [{nodePort: 30080, port: 80, protocol: TCP, targetPort: 80}]
  publishNotReadyAddresses: false
  selector: {app: api}
  sessionAffinity: None
  type: LoadBalancer
status: {loadBalancer: {}}
";
    sound(&with(deployment));
    check(
        &with(&deployment.replace("sessionAffinity: None", "sessionAffinity: ClientIP")),
        &[
            "manifests/more.yaml:59:20: warning[W001] Service/api: spec.sessionAffinity: ignored: Traefik does not heed it",
        ],
    );
}

#[test]
fn an_hpa_of_autoscaling_v1() {
    let hpa = "apiVersion: autoscaling/v1
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 2
  maxReplicas: 9
  targetCPUUtilizationPercentage: 60
";
    let target = |text: &str| {
        let scenario = sound(&with(text));
        let spec = &scenario.objects.hpas[0].spec;
        assert_eq!(
            (spec.min_replicas, spec.max_replicas, spec.metrics.len()),
            (2, 9, 1)
        );
        assert!(matches!(
            spec.metrics[0].source,
            Source::Resource(model::hpa::Resource::Cpu)
        ));
        spec.metrics[0].target
    };
    assert_eq!(target(hpa), Target::AverageUtilization(60));
    let absent = hpa.replace("  targetCPUUtilizationPercentage: 60\n", "");
    assert_eq!(target(&absent), Target::AverageUtilization(80));
    check(
        &with(&hpa.replace("  targetCPU", "  metrics: []\n  targetCPU")),
        &[
            "manifests/more.yaml:8:3: error[E002] HorizontalPodAutoscaler/web: spec.metrics: unknown field \"metrics\"\n  hint: expected one of: maxReplicas, minReplicas, scaleTargetRef, targetCPUUtilizationPercentage",
        ],
    );
    let annotated = hpa.replace(
        "namespace: shop}",
        "namespace: shop, annotations: {autoscaling.alpha.kubernetes.io/metrics: '[]'}}",
    );
    check(
        &with(&annotated),
        &[
            "manifests/more.yaml:3:95: error[E006] HorizontalPodAutoscaler/web: metadata.annotations[autoscaling.alpha.kubernetes.io/metrics]: metrics and behavior are not read from annotations\n  hint: `kubectl get hpa.v2.autoscaling NAME -o yaml` writes it as autoscaling/v2",
        ],
    );
}

#[test]
fn a_utilization_without_requests_is_told_of_wherever_the_hpa_states_it() {
    let bare = MANIFESTS
        .replace("              cpu: 500m\n", "")
        .replace("              cpu: \"1\"\n", "              memory: 1Gi\n");
    let advised = |version: &str, metric: &str| {
        let hpa = format!(
            "apiVersion: autoscaling/{version}\nkind: HorizontalPodAutoscaler\nmetadata: {{name: web, namespace: shop}}\n\
             spec:\n  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}\n  maxReplicas: 9\n{metric}"
        );
        let (_, report) = loaded(&files(
            SCENARIO,
            &[("manifests/web.yaml", &bare), ("manifests/hpa.yaml", &hpa)],
        ));
        let found = report.problems.iter().find(|problem| problem.code == "H003");
        found.map(|problem| problem.line)
    };
    assert_eq!(advised("v1", "  targetCPUUtilizationPercentage: 60\n"), Some(7));
    assert_eq!(advised("v1", ""), Some(4));
    assert_eq!(advised("v2", ""), Some(4));
}

/// What others know an object by was read before.
#[test]
fn overrides_do_not_rename_objects() {
    for field in [
        "metadata.name",
        "metadata.namespace",
        "metadata",
        "kind",
        "apiVersion",
    ] {
        let set = format!("Deployment/shop/web: {field}=v7");
        let report =
            load(&files(SCENARIO, &[("manifests/web.yaml", MANIFESTS)]), &[set]).expect_err("refused");
        let said = report.to_string();
        let expected = format!(
            "{field} says which object this is, and cannot be set\n  hint: change it in the manifest"
        );
        assert!(said.contains("error[E011]") && said.contains(&expected), "{said}");
    }
}

/// The controller asks for kinds of the reference's group, and the API server refuses two targets of one metric.
#[test]
fn an_hpa_that_could_never_scale() {
    let of = |reference: &str, target: &str| {
        with(&format!(
            "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: web, namespace: shop}}\n\
             spec:\n  scaleTargetRef: {{{reference}kind: Deployment, name: web}}\n  maxReplicas: 9\n  metrics:\n\
             \x20   - {{type: Resource, resource: {{name: cpu, target: {{type: Utilization, averageUtilization: 50{target}}}}}}}\n"
        ))
    };
    sound(&of("apiVersion: apps/v1, ", ""));
    // A version that is not served is no matter.
    sound(&of("apiVersion: apps/v1beta1, ", ""));
    for (reference, found) in [
        ("", "none"),
        ("apiVersion: v1, ", "\"v1\""),
        ("apiVersion: extensions/v1beta1, ", "\"extensions/v1beta1\""),
        ("apiVersion: apps, ", "\"apps\""),
    ] {
        let said = said(&of(reference, ""));
        let expected = format!(
            "error[E009] HorizontalPodAutoscaler/web: spec.scaleTargetRef.apiVersion: apiVersion apps/v1 is needed, found {found}: "
        );
        assert!(said.len() == 1 && said[0].contains(&expected), "{said:#?}");
    }
    let said = said(&of("apiVersion: apps/v1, ", ", averageValue: 250m"));
    let expected = "error[E004] HorizontalPodAutoscaler/web: spec.metrics[0].resource.target: averageUtilization and averageValue \
        exclude each other\n  hint: type: Utilization needs averageUtilization alone";
    assert!(said.len() == 1 && said[0].ends_with(expected), "{said:#?}");
}

/// Traefik serves its own class and those with no class; what is of another controller it never sees.
#[test]
fn an_ingress_of_another_controller() {
    let of = |class: &str| {
        spoilt(
            "spec: {rules",
            &format!("spec: {{ingressClassName: {class}, rules"),
        )
    };
    check(
        &of("alb"),
        &[
            "manifests/web.yaml:52:26: warning[W001] Ingress/web: spec.ingressClassName: ignored: \"alb\" is another controller's class, and Traefik serves this Ingress all the same\n  hint: all load comes through Traefik here: its latency, counters and metrics are what is simulated",
        ],
    );
    sound(&of("traefik"));
    sound(&of("internal"));
    let annotated = spoilt(
        "kind: Ingress\nmetadata: {name: web,",
        "kind: Ingress\nmetadata: {annotations: {kubernetes.io/ingress.class: nginx}, name: web,",
    );
    assert_eq!(said(&annotated).len(), 1);
}

#[test]
fn names_and_labels_that_the_api_server_refuses() {
    check(
        &with(&BUDGET.replace("name: web,", "name: Web_1,")),
        &[
            "manifests/more.yaml:3:18: error[E004] metadata.name: \"Web_1\" is no name for a PodDisruptionBudget\n  hint: lower-case letters, digits, '-' and '.', with a letter or digit at both ends",
        ],
    );
    check(
        &with(
            "apiVersion: v1\nkind: Service\nmetadata: {name: web.2, namespace: shop}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n",
        ),
        &[
            "manifests/more.yaml:3:18: error[E004] metadata.name: \"web.2\" is no name for a Service\n  hint: at most 63 lower-case letters, digits and '-', with a letter or digit at both ends",
        ],
    );
    check(
        &with(&BUDGET.replace("{app: web}", "{app: web, note: 'two words', a/b/: c}")),
        &[
            "manifests/more.yaml:6:44: error[E004] PodDisruptionBudget/web: spec.selector.matchLabels.note: \"two words\" is no label's value\n  hint: at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends; annotations may hold anything",
            "manifests/more.yaml:6:63: error[E004] PodDisruptionBudget/web: spec.selector.matchLabels.a/b/: \"a/b/\" is no label's key\n  hint: at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends; annotations may hold anything",
        ],
    );
}

#[test]
fn what_karpenters_custom_resources_must_have() {
    let pool = format!(
        "{}{NODE_CLASS}",
        "apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: default}
spec:
  template:
    spec:
      nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}
      requirements: [{key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}]
  disruption: {consolidationPolicy: WhenEmpty, consolidateAfter: 5m}
  limits: {cpu: 100}
---
"
    );
    sound(&with(&pool));
    check(
        &with(
            &pool
                .replace("group: karpenter.k8s.aws, ", "")
                .replace(", consolidateAfter: 5m", ""),
        ),
        &[
            "manifests/more.yaml:7:7: error[E005] NodePool/default: spec.template.spec.nodeClassRef.group: group is missing",
            "manifests/more.yaml:9:3: error[E005] NodePool/default: spec.disruption.consolidateAfter: consolidateAfter is missing\n  hint: with any disruption at all karpenter.sh/v1 wants it: 0s is what counts without one",
        ],
    );
    let bare = pool
        .split_inclusive('\n')
        .filter(|line| {
            !["  role", "  subnet", "  amiS"]
                .iter()
                .any(|start| line.starts_with(start))
        })
        .collect::<String>();
    check(
        &with(&bare),
        &[
            "manifests/more.yaml:15:1: error[E005] EC2NodeClass/default: spec.amiSelectorTerms: amiSelectorTerms is missing",
            "manifests/more.yaml:15:1: error[E005] EC2NodeClass/default: spec: either role or instanceProfile is needed",
            "manifests/more.yaml:15:1: error[E005] EC2NodeClass/default: spec.subnetSelectorTerms: subnetSelectorTerms is missing",
        ],
    );
    check(
        &with(&pool.replace(
            "  role: node\n",
            "  role: node\n  placementGroupSelector: {name: near}\n",
        )),
        &[
            "manifests/more.yaml:18:3: warning[W001] EC2NodeClass/default: spec.placementGroupSelector: ignored: placement is not simulated",
        ],
    );
}

/// `type` in the metadata of a cpu trigger left with KEDA 2.18, which then fails to make the scaler.
#[test]
fn a_trigger_of_former_times() {
    let scaled = "apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: web, namespace: shop}
spec:
  scaleTargetRef: {name: web}
  minReplicaCount: 1
  triggers: [{type: cpu, metadata: {type: Utilization, value: '50'}}]
";
    check(
        &with(scaled),
        &[
            "manifests/more.yaml:7:43: error[E004] ScaledObject/web: spec.triggers[0].metadata.type: KEDA 2.20 refuses metadata.type: it left with 2.18\n  hint: write metricType: Utilization or AverageValue beside the trigger's type",
        ],
    );
    let older = SCENARIO.replace("keda = \"2.20\"", "keda = \"2.17\"");
    sound(&files(
        &older,
        &[("manifests/web.yaml", MANIFESTS), ("manifests/more.yaml", scaled)],
    ));
}

/// A NodePool whose class is missing is an error; that there is no NodePool would be untrue.
#[test]
fn a_pool_without_its_class_is_there() {
    let pool = "apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: default}
spec:
  template:
    spec:
      nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}
      requirements: [{key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}]
";
    let scenario = SCENARIO.replace("nodes = 2", "nodes = 0");
    let advised = |manifests: &[(&str, &str)]| {
        let (_, report) = loaded(&files(&scenario, manifests));
        let found = report.problems.iter().filter(|problem| problem.code == "N001");
        found.map(|problem| problem.message.clone()).collect::<Vec<_>>()
    };
    let none = "no node group can hold a pod of this, and there is no NodePool";
    assert_eq!(advised(&[("manifests/web.yaml", MANIFESTS)]), [none; 3]);
    assert_eq!(
        advised(&[("manifests/web.yaml", MANIFESTS), ("manifests/pool.yaml", pool)]),
        [""; 0]
    );
}

/// What is said of the sample with another text in the place of one of its own.
#[track_caller]
fn refused(from: &str, to: &str, expected: &str) {
    let said = said(&spoilt(from, to));
    assert!(said.iter().any(|said| said.contains(expected)), "{to}: {said:?}");
}

const POOL: &str = "apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: default}
spec:
  template:
    spec:
      nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}
      taints: [{key: dedicated, value: web, effect: NoSchedule}]
      requirements: [{key: kubernetes.io/arch, operator: In, values: [amd64]}]
---
";

const NODE_CLASS: &str = "apiVersion: karpenter.k8s.aws/v1
kind: EC2NodeClass
metadata: {name: default}
spec:
  amiSelectorTerms: [{alias: al2023@latest}]
  role: node
  subnetSelectorTerms: [{tags: {a: b}}]
  securityGroupSelectorTerms: [{tags: {a: b}}]
";

/// A NodePool with its class.
fn nodes() -> String {
    [POOL, NODE_CLASS].concat()
}

#[test]
fn actions_that_mean_nothing() {
    let action = |text: &str| format!("[proxy]\ndeployment = \"shop/traefik\"\n[[action]]\n{text}\n");
    let with_action = |text: &str, expected: &str| {
        refused(
            "[proxy]\ndeployment = \"shop/traefik\"\n",
            &action(text),
            expected,
        );
    };
    with_action(
        "at = \"1m\"\nstop = \"keda\"\nfor = \"0s\"",
        "stop would be over as it begins",
    );
    with_action(
        "at = \"40m\"\nstop = \"keda\"",
        "this is after the end of the run",
    );
    let early = action("at = \"09:00:00\"\nstop = \"keda\"");
    let files = files(
        &SCENARIO
            .replace("[proxy]\ndeployment = \"shop/traefik\"\n", &early)
            .replace("duration", "epoch = 2026-01-02T10:00:00Z\nduration"),
        &[("manifests/web.yaml", MANIFESTS)],
    );
    let told = said(&files);
    assert!(
        told[0].contains("before the run's start at 10:00:00 UTC"),
        "{told:?}"
    );
    let twins = "nodes = 2\n[[node_group]]\nname = \"system\"\ninstance_type = \"m5.large\"\nnodes = 1\n";
    refused("nodes = 2\n", twins, "two node groups are called \"system\"");
}

#[test]
fn pods_that_the_api_server_or_the_model_refuses() {
    let spec = |text: &str| format!("    spec:\n      {text}\n      containers:\n        - name: web");
    let with_spec = |text: &str, expected: &str| {
        refused(
            "    spec:\n      containers:\n        - name: web",
            &spec(text),
            expected,
        );
    };
    with_spec("nodeName: ip-10-0-0-1", "nodeName");
    with_spec(
        "tolerations: [{key: a, operator: Exists, tolerationSeconds: 5}]",
        "tolerationSeconds goes only with the effect NoExecute",
    );
    with_spec(
        "tolerations: [{key: \"a b\", operator: Exists}]",
        "\"a b\" is no taint's key",
    );
    sound(&spoilt(
        "    spec:\n      containers:\n        - name: web",
        &spec("tolerations: [{key: a, operator: Exists, effect: NoExecute, tolerationSeconds: 5}]"),
    ));
    let class = |name: &str, more: &str| {
        format!(
            "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {{name: {name}}}\nvalue: 5\n{more}"
        )
    };
    let two = class("a", "globalDefault: true\n---\n") + &class("b", "globalDefault: true\n");
    let told = said(&with(&two));
    assert!(
        told[0].contains("a is the default PriorityClass already"),
        "{told:?}"
    );
    let told = said(&with(&class("system-a", "")));
    assert!(
        told[0].contains("names that begin with system- are reserved"),
        "{told:?}"
    );
}

#[test]
fn node_pools_and_classes_that_are_refused() {
    sound(&with(&nodes()));
    let role = "  role: node\n";
    let volume =
        |ebs: &str| format!("{role}  blockDeviceMappings: [{{deviceName: /dev/xvda, ebs: {ebs}}}]\n");
    sound(&with(&nodes().replace(
        role,
        &volume("{volumeSize: 100Gi, volumeType: gp3, iops: 16000, throughput: 1000}"),
    )));
    let kubelet = |kubelet: &str| format!("{role}  kubelet: {kubelet}\n");
    let root = "{rootVolume: true, ebs: {volumeSize: 20Gi}}";
    for (from, to, expected) in [
        (
            role,
            volume("{volumeType: gp3}"),
            "either volumeSize or snapshotID is needed",
        ),
        (
            role,
            volume("{volumeSize: 20Gi, volumeType: io2}"),
            "EC2 makes no io2 volume without iops",
        ),
        (
            role,
            volume("{volumeSize: 20Gi, volumeType: gp2, iops: 3000}"),
            "EC2 makes no gp2 volume with iops",
        ),
        (
            role,
            volume("{volumeSize: 20Gi, iops: 1000}"),
            "EC2 makes gp3 volumes with 3000 to 80000 iops",
        ),
        (
            role,
            volume("{volumeSize: 20Gi, throughput: 800}"),
            "0.25 MiB/s for each of its iops",
        ),
        (role, volume("{volumeSize: 1Mi}"), "expected 1Gi to 59000Gi"),
        (role, volume("{volumeSize: 100M}"), "found 100M"),
        (
            role,
            volume("{volumeSize: 2.5Gi}"),
            "whole numbers of these units",
        ),
        (role, volume("{volumeSize: 65000Gi}"), "found 65000Gi"),
        (role, volume("{volumeSize: 18Ti}"), "write Gi"),
        (
            role,
            format!("{role}  blockDeviceMappings: [{root}, {root}]\n"),
            "two volumes with rootVolume: true",
        ),
        (
            role,
            kubelet("{evictionHard: {mem.available: 5%}}"),
            "unknown signal \"mem.available\"",
        ),
        (
            role,
            kubelet("{imageGCHighThresholdPercent: 50, imageGCLowThresholdPercent: 80}"),
            "50 is not above imageGCLowThresholdPercent, 80",
        ),
        (
            "key: dedicated",
            "key: \"a b\"".to_owned(),
            "\"a b\" is no taint's key",
        ),
        (
            "values: [amd64]",
            "values: [\"amd 64\"]".to_owned(),
            "\"amd 64\" is no label's value",
        ),
    ] {
        let told = said(&with(&nodes().replace(from, &to)));
        assert!(told.iter().any(|told| told.contains(expected)), "{to}: {told:?}");
    }
}
