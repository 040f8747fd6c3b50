//! Random small scenarios: manifests and `scenario.toml` as texts, read by the public loader.

use proptest::prelude::*;
use proptest::sample::select;

use crate::written::Case;

/// Releases that ran together, from the walkthrough's to today's, and the version of the NodePool API.
const STACKS: [(&str, &str, &str, &str, &str, &str); 5] = [
    ("1.28", "2.10", "2.42.0", "2.10.6", "0.32.4", "v1beta1"),
    ("1.29", "2.12.1", "2.48.1", "2.11", "0.37", "v1beta1"),
    ("1.31", "2.15", "2.54.0", "3.1", "1.0", "v1"),
    ("1.33", "2.17", "3.1.0", "3.3", "1.5", "v1"),
    ("1.36", "2.20", "3.5.0", "3.5", "1.14", "v1"),
];

/// A scenario of up to twenty simulated minutes.
pub(crate) fn case() -> impl Strategy<Value = Case> {
    let stack = select(&STACKS[..]);
    (stack, any::<bool>(), any::<u32>()).prop_flat_map(|(stack, requests, seed)| {
        let beta = stack.5 == "v1beta1";
        let toml = (head(stack), groups(), load(requests), service(), actions());
        let objects = (
            workload(),
            scaler(),
            prop::collection::vec(pool(beta), 0..3),
            extras(),
            pool(beta),
        );
        (toml, objects).prop_map(move |(toml, (workload, scaler, pools, extras, later))| {
            let (head, groups, (load, clients), service, actions) = toml;
            let pools: Vec<String> = pools
                .into_iter()
                .enumerate()
                .map(|(at, text)| text.replace("POOL", &format!("pool-{at}")))
                .collect();
            let class = node_class(beta);
            let manifests = [
                ("manifests/web.yaml", workload + &clients),
                ("manifests/scaler.yaml", scaler),
                ("manifests/pools.yaml", [pools.concat(), class.clone()].concat()),
                ("manifests/extras.yaml", extras),
                (
                    "manifests/later.yaml",
                    later.replace("POOL", "pool-1") + &class + LATER,
                ),
            ]
            .map(|(path, text)| (path.to_owned(), text));
            let known: Vec<&str> = manifests.iter().flat_map(|(_, text)| text.split("---")).collect();
            let actions = actions
                .split_inclusive("\n\n")
                .filter(|action| is_known(action, &known));
            let actions: String = actions.collect();
            Case {
                seed: u64::from(seed),
                requests,
                toml: [head, groups, load, service, actions].concat(),
                manifests: manifests.into(),
            }
        })
    })
}

fn head(
    (kubernetes, keda, prometheus, traefik, karpenter, _): (&str, &str, &str, &str, &str, &str),
) -> impl Strategy<Value = String> + use<> {
    let stack = format!(
        "[stack]\nkubernetes = \"{kubernetes}\"\nkeda = \"{keda}\"\nprometheus = \"{prometheus}\"\n\
         traefik = \"{traefik}\"\nkarpenter = \"{karpenter}\"\n"
    );
    (
        8u32..=20,
        0u32..=3,
        any::<bool>(),
        select(&["\"never\"", "2.0", "\"advisor\""][..]),
    )
        .prop_map(move |(minutes, warm_up, settled, interruption)| {
            format!(
                "name = \"random\"\nduration = \"{minutes}m\"\nwarm_up = \"{warm_up}m\"\n{stack}\
                 [cloud]\nregion = \"us-west-2\"\ninterruption = {interruption}\n[start]\nsettled = {settled}\n\
                 [timing]\nquery = {{ min = 0.01, max = 0.5 }}\n"
            )
        })
}

fn groups() -> impl Strategy<Value = String> {
    let types = select(&["c5.xlarge", "m5.large", "t3.medium"][..]);
    prop::collection::vec((types, 1u32..=3), 1..3).prop_map(|groups| {
        let group = |(at, (kind, nodes)): (usize, &(&str, u32))| {
            format!("[[node_group]]\nname = \"group-{at}\"\ninstance_type = \"{kind}\"\nnodes = {nodes}\n")
        };
        groups.iter().enumerate().map(group).collect()
    })
}

/// Load, and the client Deployment if it is a closed loop.
fn load(requests: bool) -> impl Strategy<Value = (String, String)> {
    let most = if requests { 25u32 } else { 300 };
    let closed = (0u32..=8, 0u32..200, 0u32..=10).prop_map(|(replicas, think, timeout)| {
        let timeout = if timeout == 0 {
            String::new()
        } else {
            format!("timeout = \"{timeout}s\"\n")
        };
        let toml = format!(
            "[load.clients]\ndeployment = \"shop/load\"\nthink_time = \"{}ms\"\ncpu_per_request = 0.002\n{timeout}",
            20 + think
        );
        let manifest = deployment("load", replicas, 5, "{}", "");
        (toml, manifest)
    });
    let shape = prop_oneof![
        (0..=most).prop_map(|rate| format!("shape = \"constant\"\nrate = {rate}\n")),
        (0..=most, 0..=most, 1u32..15).prop_map(|(before, after, at)| {
            format!("shape = \"step\"\nbefore = {before}\nafter = {after}\nat = \"{at}m\"\n")
        }),
        (0..=most, 0..=most).prop_map(|(from, to)| {
            format!("shape = \"ramp\"\nfrom = {from}\nto = {to}\nstart = \"2m\"\nend = \"9m\"\n")
        }),
        (1..=most).prop_map(|mean| {
            let amplitude = mean / 2;
            format!("shape = \"sine\"\nmean = {mean}\namplitude = {amplitude}\nperiod = \"7m\"\n")
        }),
        (0..=most, 0..=most).prop_map(|(base, peak)| {
            format!("shape = \"spike\"\nbase = {base}\npeak = {peak}\nat = \"5m\"\nduration = \"2m\"\n")
        }),
    ];
    let process = select(
        &[
            "process = \"poisson\"\n",
            "process = \"deterministic\"\n",
            "process = \"mmpp\"\nburst = 3.0\nshare = 0.2\nlength = \"20s\"\n",
        ][..],
    );
    let open =
        (shape, process, select(&["", "timeout = \"4s\"\n"][..])).prop_map(|(shape, process, timeout)| {
            (
                format!("[[load.arrivals]]\n{shape}{process}{timeout}"),
                String::new(),
            )
        });
    prop_oneof![closed, open]
}

fn service() -> impl Strategy<Value = String> {
    let options = (
        1u32..80,
        select(&["", "concurrency = 2\n", "concurrency = 20\n"][..]),
        select(&["", "timeout = \"3s\"\n"][..]),
        select(&["0.5", "\"ignores SIGTERM\"", "{ min = 1, max = 40 }"][..]),
        0u32..20,
    );
    options.prop_map(|(millis, concurrency, timeout, shutdown, startup)| {
        format!(
            "[service]\ndeployment = \"shop/web\"\ncpu_per_request = 0.{millis:03}\n{concurrency}{timeout}\
             [proxy]\ndeployment = \"shop/traefik\"\ncpu_per_request = 0.0005\nvanished = {{ min = 1, max = 3 }}\n\
             [application]\n\"shop/web\" = {{ startup = {startup}, shutdown = {shutdown} }}\n"
        )
    })
}

/// Whether some document has the object that an action is about, if it is to be deleted or scaled.
fn is_known(action: &str, documents: &[&str]) -> bool {
    let quoted = |verb: &str| action.split_once(&format!("{verb} = \""))?.1.split('"').next();
    let scaled = quoted("scale").map(|name| format!("Deployment/{name}"));
    let Some(object) = scaled.as_deref().or(quoted("delete")) else {
        return true;
    };
    let (kind, name) = (object.split('/').next(), object.rsplit('/').next());
    let has = |document: &str, key: &str, value: Option<&str>| {
        let value = value.unwrap_or_default();
        let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
        document.split(&format!("{key}: {value}")).skip(1).any(ends)
    };
    documents
        .iter()
        .any(|document| has(document, "kind", kind) && has(document, "name", name))
}

/// What happens meanwhile. Deleted objects may be referred to by others, or be gone already.
fn actions() -> impl Strategy<Value = String> {
    let parts = select(
        &[
            "prometheus",
            "keda",
            "karpenter",
            "hpa",
            "scheduler",
            "metrics-server",
        ][..],
    );
    let objects = select(
        &[
            "Deployment/shop/web",
            "Deployment/shop/batch",
            "Deployment/shop/traefik",
            "ScaledObject/shop/web",
            "HorizontalPodAutoscaler/shop/web",
            "DaemonSet/shop/agent",
            "NodePool/pool-0",
            "NodePool/pool-1",
            "PodDisruptionBudget/shop/web",
            "Service/shop/web",
            "Ingress/shop/web",
        ][..],
    );
    let files = select(
        &[
            "manifests/web.yaml",
            "manifests/scaler.yaml",
            "manifests/extras.yaml",
            "manifests/pools.yaml",
        ][..],
    );
    let act = prop_oneof![
        (select(&["web", "batch", "traefik"][..]), 0u32..25)
            .prop_map(|(name, replicas)| format!("scale = \"shop/{name}\"\nreplicas = {replicas}\n")),
        (parts.clone(), 1u32..300)
            .prop_map(|(part, lasting)| format!("stop = \"{part}\"\nfor = \"{lasting}s\"\n")),
        parts.clone().prop_map(|part| format!("stop = \"{part}\"\n")),
        parts.prop_map(|part| format!("start = \"{part}\"\n")),
        (1u32..4).prop_map(|count| format!("interrupt = {{ count = {count} }}\n")),
        (select(&["spot", "on-demand"][..]), 1u32..9).prop_map(|(kind, minutes)| format!(
            "shortage = {{ capacity_type = \"{kind}\" }}\nfor = \"{minutes}m\"\n"
        )),
        Just("shortage = { zone = \"us-west-2a\" }\nfor = \"4m\"\n".to_owned()),
        Just("shortage = {}\nfor = \"2m\"\n".to_owned()),
        objects.prop_map(|object| format!("delete = \"{object}\"\n")),
        files.prop_map(|file| format!("apply = \"{file}\"\n")),
        Just("apply = \"manifests/later.yaml\"\n".to_owned()),
    ];
    // Files that an action applies are not there before: a case that begins with nothing says little.
    prop::collection::vec((0u32..1100, act), 0..8).prop_map(|actions| {
        let mut text = String::new();
        for (second, act) in actions {
            text += &format!("[[action]]\nat = \"{second}s\"\n{act}\n");
        }
        if !text.contains("later.yaml") {
            text += "[[action]]\nat = \"400s\"\napply = \"manifests/later.yaml\"\n\n";
        }
        text
    })
}

/// A Deployment of one container.
fn deployment(name: &str, replicas: u32, grace: u32, resources: &str, more: &str) -> String {
    format!(
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: shop}}\n\
         spec:\n  replicas: {replicas}\n  selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    \
         metadata: {{labels: {{app: {name}}}, annotations: {{prometheus.io/scrape: \"true\", prometheus.io/port: \"9100\"}}}}\n    \
         spec:\n      terminationGracePeriodSeconds: {grace}\n{more}      containers:\n        \
         - name: {name}\n          image: {name}:1\n          resources: {resources}\n          ports: [{{containerPort: 9100}}]\n"
    )
}

/// Server, proxy, and another Deployment that only needs room.
fn workload() -> impl Strategy<Value = String> {
    let cpu = select(&["50m", "200m", "500m", "900m", "1500m", "3"][..]);
    let limit = select(&["", "limits: {cpu: \"3\"}"][..]);
    let spread = select(
        &[
            "",
            "      topologySpreadConstraints:\n        - maxSkew: 1\n          topologyKey: topology.kubernetes.io/zone\n          whenUnsatisfiable: DoNotSchedule\n          labelSelector: {matchLabels: {app: batch}}\n",
            "      topologySpreadConstraints:\n        - maxSkew: 1\n          topologyKey: kubernetes.io/hostname\n          whenUnsatisfiable: ScheduleAnyway\n          labelSelector: {matchLabels: {app: batch}}\n",
            "      affinity:\n        podAntiAffinity:\n          requiredDuringSchedulingIgnoredDuringExecution:\n            - topologyKey: kubernetes.io/hostname\n              labelSelector: {matchLabels: {app: batch}}\n",
            "      nodeSelector: {karpenter.sh/capacity-type: spot}\n",
        ][..],
    );
    let web = (0u32..8, select(&[0u32, 1, 5, 30, 45][..]), cpu.clone(), limit);
    let batch = (0u32..12, cpu, spread, 1u32..3);
    (web, batch).prop_map(
        |((replicas, grace, cpu, limit), (others, other_cpu, spread, proxies))| {
            let resources = format!("{{requests: {{cpu: \"{cpu}\", memory: 128Mi}}, {limit}}}");
            let other = format!("{{requests: {{cpu: \"{other_cpu}\", memory: 512Mi}}}}");
            [
                deployment("web", replicas, grace, &resources, ""),
                deployment("batch", others, 30, &other, spread),
                deployment("traefik", proxies, 10, "{}", ""),
                SERVICE.to_owned(),
            ]
            .concat()
        },
    )
}

/// A ScaledObject, an HPA by CPU, both on different targets, or nothing.
fn scaler() -> impl Strategy<Value = String> {
    let behavior = select(
        &[
            "",
            "        behavior: {scaleDown: {stabilizationWindowSeconds: 30, policies: [{type: Percent, value: 50, periodSeconds: 60}]}}\n",
            "        behavior: {scaleUp: {stabilizationWindowSeconds: 60, policies: [{type: Pods, value: 2, periodSeconds: 30}]}, scaleDown: {selectPolicy: Disabled}}\n",
        ][..],
    );
    let trigger = select(
        &[
            "sum(rate(traefik_service_requests_total{service=\"shop-web-80@kubernetes\"}[2m]))",
            "rate(traefik_service_requests_total{code=\"200\"}[2m])",
            "sum(rate(traefik_service_requests_total[3m])) or vector(0)",
        ][..],
    );
    let extra = select(
        &[
            "",
            "    - {type: cpu, metricType: Utilization, metadata: {value: '60'}}\n",
            "    - {type: cron, metadata: {timezone: UTC, start: '2 * * * *', end: '9 * * * *', desiredReplicas: '5'}}\n",
        ][..],
    );
    let fallback = select(&["", "  fallback: {failureThreshold: 2, replicas: 4}\n"][..]);
    let sizes = (0u32..3, 0u32..15, any::<bool>());
    let object = (sizes, behavior, trigger, extra, fallback, (1u32..20, 5u32..60, 5u32..200)).prop_map(
        |((min, span, idle), behavior, query, extra, fallback, (threshold, polling, cooldown))| {
            // A fallback goes only with triggers of which the average counts.
            let fallback = if extra.contains("cpu") { "" } else { fallback };
            let idle = if idle && min > 0 { "  idleReplicaCount: 0\n" } else { "" };
            let max = min.max(1) + span;
            let behavior = if behavior.is_empty() {
                String::new()
            } else {
                format!("  advanced:\n    horizontalPodAutoscalerConfig:\n{behavior}")
            };
            format!(
                "---\napiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {{name: web, namespace: shop}}\n\
                 spec:\n  scaleTargetRef: {{name: web}}\n  minReplicaCount: {min}\n  maxReplicaCount: {max}\n\
                 {idle}  pollingInterval: {polling}\n  cooldownPeriod: {cooldown}\n{fallback}{behavior}  triggers:\n    \
                 - type: prometheus\n      metadata:\n        serverAddress: http://prometheus\n        \
                 threshold: '{threshold}'\n        query: {query}\n{extra}"
            )
        },
    );
    let hpa = |target: &'static str| {
        (1u32..4, 0u32..12, 10u32..90).prop_map(move |(min, span, percent)| {
            let max = min + span;
            format!(
                "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: {target}, namespace: shop}}\n\
                 spec:\n  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: {target}}}\n  minReplicas: {min}\n  \
                 maxReplicas: {max}\n  metrics:\n    - type: Resource\n      resource: {{name: cpu, target: {{type: Utilization, averageUtilization: {percent}}}}}\n"
            )
        })
    };
    prop_oneof![
        3 => object.clone(),
        2 => hpa("web"),
        1 => (object, hpa("batch")).prop_map(|(object, hpa)| object + &hpa),
        1 => Just("---\napiVersion: v1\nkind: Namespace\nmetadata: {name: unscaled}\n".to_owned()),
    ]
}

/// A NodePool by the name of POOL.
fn pool(beta: bool) -> impl Strategy<Value = String> {
    let capacity = select(&["[spot]", "[on-demand]", "[spot, on-demand]"][..]);
    let families = select(&["[c, m]", "[t]", "[c, m, r, t]", "[m]"][..]);
    let limit = select(
        &[
            "",
            "  limits: {cpu: 10}\n",
            "  limits: {cpu: 64, memory: 200Gi}\n",
        ][..],
    );
    let budget = select(
        &[
            "",
            "    budgets: [{nodes: \"1\"}]\n",
            "    budgets: [{nodes: \"50%\"}]\n",
        ][..],
    );
    let expire = select(&["Never", "6m", "720h"][..]);
    let consolidate = (any::<bool>(), select(&["0s", "30s", "2m", "Never"][..]));
    (capacity, families, limit, budget, expire, consolidate, 0u32..20).prop_map(
        move |(capacity, families, limit, budget, expire, (empty_only, after), weight)| {
            let policy = match (beta, empty_only) {
                (_, true) => "WhenEmpty",
                (true, false) => "WhenUnderutilized",
                (false, false) => "WhenEmptyOrUnderutilized",
            };
            let version = if beta { "v1beta1" } else { "v1" };
            let reference = if beta {
                "{name: default}".to_owned()
            } else {
                "{group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}".to_owned()
            };
            // consolidateAfter goes only with WhenEmpty in v1beta1.
            let after = match (beta, empty_only) {
                (true, false) => String::new(),
                _ => format!("    consolidateAfter: {after}\n"),
            };
            let (in_template, in_disruption) = if beta {
                (String::new(), format!("    expireAfter: {expire}\n"))
            } else {
                (format!("      expireAfter: {expire}\n"), String::new())
            };
            let weight = if weight == 0 { String::new() } else { format!("  weight: {weight}\n") };
            format!(
                "---\napiVersion: karpenter.sh/{version}\nkind: NodePool\nmetadata: {{name: POOL}}\nspec:\n{weight}{limit}  \
                 template:\n    spec:\n      nodeClassRef: {reference}\n{in_template}      requirements:\n        \
                 - {{key: karpenter.sh/capacity-type, operator: In, values: {capacity}}}\n        \
                 - {{key: karpenter.k8s.aws/instance-category, operator: In, values: {families}}}\n        \
                 - {{key: kubernetes.io/arch, operator: In, values: [amd64]}}\n        \
                 - {{key: karpenter.k8s.aws/instance-cpu, operator: Lt, values: [\"17\"]}}\n  \
                 disruption:\n    consolidationPolicy: {policy}\n{after}{in_disruption}{budget}"
            )
        },
    )
}

fn node_class(beta: bool) -> String {
    let (version, ami) = if beta {
        ("v1beta1", "  amiFamily: AL2\n")
    } else {
        ("v1", "  amiSelectorTerms: [{alias: al2023@latest}]\n")
    };
    format!(
        "---\napiVersion: karpenter.k8s.aws/{version}\nkind: EC2NodeClass\nmetadata: {{name: default}}\nspec:\n{ami}  \
         role: node\n  subnetSelectorTerms: [{{tags: {{a: b}}}}]\n  securityGroupSelectorTerms: [{{tags: {{a: b}}}}]\n"
    )
}

/// A DaemonSet, a budget.
fn extras() -> impl Strategy<Value = String> {
    let daemons = (any::<bool>(), select(&["{}", "{requests: {cpu: 100m}}"][..])).prop_map(|(is, resources)| {
        let agent = format!(
            "---\napiVersion: apps/v1\nkind: DaemonSet\nmetadata: {{name: agent, namespace: shop}}\nspec:\n  \
             selector: {{matchLabels: {{app: agent}}}}\n  template:\n    metadata: {{labels: {{app: agent}}}}\n    \
             spec:\n      tolerations: [{{operator: Exists}}]\n      containers: [{{name: agent, image: \"agent:1\", resources: {resources}}}]\n"
        );
        if is { agent } else { "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n".to_owned() }
    });
    let budget = select(&["", "minAvailable: 1", "maxUnavailable: 1", "maxUnavailable: 0"][..]).prop_map(|rule| {
        if rule.is_empty() {
            return String::new();
        }
        format!(
            "---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{name: web, namespace: shop}}\n\
             spec: {{{rule}, selector: {{matchLabels: {{app: web}}}}}}\n"
        )
    });
    (daemons, budget).prop_map(|(daemons, budget)| daemons + &budget)
}

const SERVICE: &str = "---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}
";

/// A new template for the server: a rollout.
const LATER: &str = "---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  strategy: {rollingUpdate: {maxSurge: 2, maxUnavailable: 1}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: \"web:2\", resources: {requests: {cpu: 300m, memory: 64Mi}}}]}
";
