//! Bad input, and what is said about it.

use model::scenario::{Files, Report, Severity, Source, load};

use crate::sample::{MANIFESTS, SCENARIO, files, loaded, spoilt, with, with_scenario};

/// All errors and warnings about some files, as they are printed.
fn said(files: &Files) -> Vec<String> {
    let (_, report) = loaded(files);
    problems(&report)
}

fn problems(report: &Report) -> Vec<String> {
    let said = report
        .problems
        .iter()
        .filter(|problem| problem.severity != Severity::Advice);
    said.map(ToString::to_string).collect()
}

/// Exactly this is said.
#[track_caller]
fn check(files: &Files, expected: &[&str]) {
    assert_eq!(said(files), expected);
}

#[test]
fn the_sample_is_sound() {
    let (scenario, report) = loaded(&spoilt("", ""));
    let scenario = scenario.unwrap_or_else(|| panic!("{report}"));
    assert_eq!(report.count(Severity::Warning), 0, "{report}");
    assert_eq!(scenario.traffic.traefik.service, "shop-web-80@kubernetes");
    assert_eq!(scenario.objects.deployments.len(), 3);
}

#[test]
fn texts_that_are_no_yaml_or_toml() {
    check(
        &spoilt("              cpu: 500m\n", "              cpu: [500m\n"),
        &[
            "manifests/web.yaml:22:21: error[E001]: not YAML that can be read: illegal placement of ':' indicator",
            "scenario.toml:15:14: error[E009] load.clients.deployment: no manifest has the Deployment \"shop/load\"\n  hint: put its manifest into manifests/",
            "scenario.toml:17:14: error[E009] service.deployment: no manifest has the Deployment \"shop/web\"\n  hint: put its manifest into manifests/",
            "scenario.toml:20:14: error[E009] proxy.deployment: no manifest has the Deployment \"shop/traefik\"\n  hint: put its manifest into manifests/",
        ],
    );
    let said = said(&spoilt("warm_up = \"5m\"", "warm_up = \"5m"));
    assert!(said[0].starts_with("scenario.toml:3:"), "{said:#?}");
    assert!(
        said[0].contains("error[E001]: not TOML that can be read: "),
        "{said:#?}"
    );
}

#[test]
fn empty_and_missing_files() {
    let said = said(&Files::default());
    let missing = |field: &str| {
        said.iter()
            .any(|line| line.contains(&format!("error[E005] {field}: ")))
    };
    assert!(
        ["name", "duration", "stack", "service", "proxy"]
            .into_iter()
            .all(missing),
        "{said:#?}"
    );
    check(
        &files(SCENARIO, &[]),
        &[
            "scenario.toml:15:14: error[E009] load.clients.deployment: no manifest has the Deployment \"shop/load\"\n  hint: put its manifest into manifests/",
            "scenario.toml:17:14: error[E009] service.deployment: no manifest has the Deployment \"shop/web\"\n  hint: put its manifest into manifests/",
            "scenario.toml:20:14: error[E009] proxy.deployment: no manifest has the Deployment \"shop/traefik\"\n  hint: put its manifest into manifests/",
        ],
    );
    check(&with("# nothing\n---\n---\n"), &[]);
}

#[test]
fn huge_files_are_refused_unread() {
    let huge = Source {
        path: "manifests/huge.yaml".to_owned(),
        text: " ".repeat(9 << 20),
    };
    let mut all = spoilt("", "");
    all.manifests.push(huge);
    check(
        &all,
        &["manifests/huge.yaml: error[E001]: not YAML that can be read: the file is larger than 8 MiB"],
    );
}

#[test]
fn misspelt_fields_get_a_suggestion() {
    check(
        &spoilt("  replicas: 2", "  replcas: 2"),
        &[
            "manifests/web.yaml:7:12: error[E002] Deployment/web: spec.replcas: unknown field \"replcas\"\n  hint: did you mean \"replicas\"?",
        ],
    );
    check(
        &spoilt("cpu: 500m", "cpus: 500m"),
        &[
            "manifests/web.yaml:21:21: error[E002] Deployment/web: spec.template.spec.containers[0].resources.requests.cpus: unknown resource \"cpus\"\n  hint: did you mean \"cpu\"?",
        ],
    );
    check(
        &spoilt("warm_up", "warmup"),
        &[
            "scenario.toml:3:10: error[E002] warmup: unknown field \"warmup\"\n  hint: did you mean \"warm_up\"?",
        ],
    );
    check(
        &spoilt(
            "apps/v1\nkind: Deployment\nmetadata:\n",
            "apps/v1\nkind: Deploymnet\nmetadata:\n",
        ),
        &[
            "manifests/web.yaml:2:7: error[E007] kind: unknown kind \"Deploymnet\"\n  hint: did you mean \"Deployment\"?",
            "scenario.toml:17:14: error[E009] service.deployment: no manifest has the Deployment \"shop/web\"\n  hint: there are shop/load, shop/traefik",
        ],
    );
}

#[test]
fn gpus_are_those_of_the_catalog() {
    let times = |times: &str| {
        let gpu = format!("cpu_per_request = 0.02\n[service.gpu]\nother = 0.02\ntime = {{ {times} }}");
        spoilt("cpu_per_request = 0.02", &gpu)
    };
    // As AWS writes it and as the label has it.
    for name in ["T4", "t4", "'RTX PRO Server 6000'", "rtx-pro-server-6000"] {
        check(&times(&format!("{name} = 0.01")), &[]);
    }
    check(
        &times("a10gg = 0.01"),
        &[
            "scenario.toml:21:18: error[E009] service.gpu.time.a10gg: no instance type has the GPU \"a10gg\"\n  hint: did you mean \"a10g\"?",
        ],
    );
    let (scenario, report) = loaded(&times("warp = 0.01"));
    let said = report.to_string();
    assert!(
        scenario.is_none() && said.contains("hint: there are a100, a10g, "),
        "{said}"
    );
    check(
        &times("T4 = 0.01, t4 = 0.02"),
        &[
            "scenario.toml:21:26: error[E004] service.gpu.time.t4: t4 is given twice\n  hint: letter case makes no difference",
        ],
    );
}

#[test]
fn quantities_that_cannot_be_meant() {
    check(
        &spoilt("cpu: 500m", "cpu: -500m"),
        &[
            "manifests/web.yaml:21:20: error[E004] Deployment/web: spec.template.spec.containers[0].resources.requests.cpu: a quantity must not be negative, found -500m",
        ],
    );
    check(
        &spoilt("memory: 256Mi", "memory: 256 MB"),
        &[
            "manifests/web.yaml:22:23: error[E003] Deployment/web: spec.template.spec.containers[0].resources.requests.memory: expected a quantity such as 500m, 2 or 1Gi, found \"256 MB\"",
        ],
    );
    check(
        &spoilt("memory: 256Mi", "memory: 256m"),
        &[
            "manifests/web.yaml:22:23: warning[W003] Deployment/web: spec.template.spec.containers[0].resources.requests.memory: 256m bytes of memory is less than 1Mi\n  hint: a unit such as Mi or Gi may be missing, and `m` means thousandths",
        ],
    );
    check(
        &spoilt("cpu: 500m", "cpu: 1500m"),
        &[
            "manifests/web.yaml:21:20: error[E004] Deployment/web: spec.template.spec.containers[0].resources.requests.cpu: the request of cpu is above its limit",
        ],
    );
    check(
        &spoilt("replicas: 2", "replicas: -2"),
        &[
            "manifests/web.yaml:7:13: error[E004] Deployment/web: spec.replicas: expected a whole number from 0 to 1000000, found -2",
        ],
    );
    check(
        &spoilt("nodes = 2", "nodes = 99999999"),
        &[
            "scenario.toml:13:9: error[E004] node_group[0].nodes: expected a whole number from 0 to 1000000, found 99999999",
        ],
    );
    check(
        &spoilt("\"30m\"", "\"thirty minutes\""),
        &[
            "scenario.toml:2:12: error[E003] duration: expected a duration such as 30s, 5m or 1h30m, found \"thirty minutes\"",
        ],
    );
    check(
        &spoilt("cpu_per_request = 0.02", "cpu_per_request = -1"),
        &[
            "scenario.toml:18:19: error[E004] service.cpu_per_request: expected a number from 0 to 1000000000, found -1",
        ],
    );
}

#[test]
fn aliases_and_cycles() {
    check(
        &with("apiVersion: v1\nkind: ConfigMap\nmetadata: &a\n  name: x\n  labels: *a\n"),
        &[
            "manifests/more.yaml:5:11: error[E001]: not YAML that can be read: an alias stands inside the value it refers to",
        ],
    );
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..10 {
        bomb.push_str(&format!(
            "a{level}: &a{level} [{}]\n",
            format!("*a{},", level - 1).repeat(10)
        ));
    }
    let said = said(&with(&bomb));
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(
        said[0].contains("aliases make more than 1000000 values"),
        "{said:#?}"
    );
}

#[test]
fn what_the_api_server_would_refuse() {
    check(
        &spoilt("        app: web\n    spec:", "        app: wab\n    spec:"),
        &[
            "manifests/web.yaml:8:3: error[E009] Deployment/web: spec.selector: the selector does not match the labels of the pod template\n  hint: give spec.template.metadata.labels the labels that spec.selector asks for",
            "scenario.toml:17:14: error[E009] service.deployment: no Ingress leads to a Service of this Deployment\n  hint: add a Service that selects its pods and an Ingress or IngressRoute to that Service",
        ],
    );
    check(
        &spoilt("cpu: \"1\"", "nvidia.com/gpu: 0.5"),
        &[
            "manifests/web.yaml:24:31: error[E004] Deployment/web: spec.template.spec.containers[0].resources.limits[nvidia.com/gpu]: an extended resource is counted in whole numbers",
        ],
    );
    let scaled = |spec: &str| {
        with(&format!(
            "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {{name: web, namespace: shop}}\nspec:\n  scaleTargetRef: {{name: web}}\n{spec}"
        ))
    };
    let trigger = "  triggers:\n    - type: prometheus\n      metadata: {serverAddress: x, threshold: '20', query: vector(1)}\n";
    check(
        &scaled(&format!("  minReplicaCount: 5\n  maxReplicaCount: 2\n{trigger}")),
        &[
            "manifests/more.yaml:6:20: error[E004] ScaledObject/web: spec.minReplicaCount: minReplicaCount 5 is above maxReplicaCount 2",
        ],
    );
    check(
        &scaled(&format!(
            "  minReplicaCount: 1\n{}",
            trigger.replace("'20'", "20")
        )),
        &[
            "manifests/more.yaml:9:47: error[E003] ScaledObject/web: spec.triggers[0].metadata.threshold: expected a text, found 20\n  hint: write it in quotes: \"20\"",
        ],
    );
    check(
        &scaled(&trigger.replace("prometheus", "kafka")),
        &[
            "manifests/more.yaml:7:13: error[E006] ScaledObject/web: spec.triggers[0].type: \"kafka\" triggers are not simulated: only prometheus, cron, cpu and memory are\n  hint: export the number to Prometheus and ask for it there",
        ],
    );
    let said = said(&scaled(&trigger.replace("vector(1)", "'rate(http_total[5m]'")));
    let place = "manifests/more.yaml:8:60: error[E012] ScaledObject/web: spec.triggers[0].metadata.query: ";
    assert!(said.len() == 1 && said[0].starts_with(place), "{said:#?}");
}

#[test]
fn triggers_that_cannot_work() {
    let scaled = |rest: &str| {
        with(&format!(
            "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {{name: web, namespace: shop}}\nspec:\n  \
             scaleTargetRef: {{name: web}}\n  minReplicaCount: 1\n{rest}"
        ))
    };
    let cron = |zone: &str, start: &str| {
        scaled(&format!(
            "  triggers:\n    - type: cron\n      metadata: {{timezone: {zone}, start: {start}, end: 0 20 * * *, desiredReplicas: '5'}}\n"
        ))
    };
    check(&cron("Europe/Berlin", "0 8 * * 1-5"), &[]);
    check(
        &cron("Europe/Berlni", "0 8 * *"),
        &[
            "manifests/more.yaml:9:28: error[E009] ScaledObject/web: spec.triggers[0].metadata.timezone: there is no time zone \"Europe/Berlni\"\n  hint: an IANA name such as Europe/Berlin",
            "manifests/more.yaml:9:50: error[E003] ScaledObject/web: spec.triggers[0].metadata.start: expected a cron schedule of five fields, found \"0 8 * *\"\n  hint: minute, hour, day of month, month, day of week",
        ],
    );
    let formula = |formula: &str| {
        scaled(&format!(
            "  advanced: {{scalingModifiers: {{formula: {formula}, target: '2'}}}}\n  triggers:\n    - type: prometheus\n      \
             name: rate\n      metadata: {{serverAddress: x, threshold: '20', query: vector(1)}}\n"
        ))
    };
    check(&formula("rate / 2"), &[]);
    // As KEDA stores it.
    let none = "  advanced: {scalingModifiers: {}}\n  triggers:\n    - type: prometheus\n      \
                metadata: {serverAddress: x, threshold: '20', query: vector(1)}\n";
    check(&scaled(none), &[]);
    let unknown = |formula: &str| {
        format!(
            "manifests/more.yaml:7:42: error[E004] ScaledObject/web: spec.advanced.scalingModifiers.formula: \
             the formula {formula:?} does not compile: unknown name rat\n  hint: did you mean \"rate\"?"
        )
    };
    // In a branch that no value has taken yet, too.
    for text in ["rat / 2", "rate < 0 ? 1 : rat * 2"] {
        check(&formula(&format!("'{text}'")), &[&unknown(text)]);
    }
}

#[test]
fn kinds_have_their_fates() {
    let object = |version: &str, kind: &str| {
        with(&format!(
            "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: x}}\n"
        ))
    };
    check(&object("v1", "ConfigMap"), &[]);
    check(
        &object("apps/v1", "StatefulSet"),
        &[
            "manifests/more.yaml:2:7: error[E008] kind: StatefulSet cannot be simulated: its pods would take room on nodes, and no controller here makes them\n  hint: take it out of the manifests",
        ],
    );
    check(
        &object("monitoring.coreos.com/v1", "ServiceMonitor"),
        &[
            "manifests/more.yaml:2:7: warning[W002] kind: ServiceMonitor is ignored: the jobs of the prometheus chart are scraped, by pod annotations",
        ],
    );
    check(
        &object("autoscaling/v2beta2", "HorizontalPodAutoscaler"),
        &[
            "manifests/more.yaml:1:13: error[E007] apiVersion: HorizontalPodAutoscaler of \"autoscaling/v2beta2\" is not known here\n  hint: expected autoscaling/v2 or autoscaling/v1",
        ],
    );
    check(
        &spoilt(
            "  selector:\n    matchLabels:\n      app: web\n",
            "  paused: true\n  selector:\n    matchLabels:\n      app: web\n",
        ),
        &[
            "manifests/web.yaml:8:11: error[E006] Deployment/web: spec.paused: this field cannot be simulated: rollouts are not paused here, and a Deployment that is made paused has no pods until somebody resumes it",
        ],
    );
    check(
        &spoilt(
            "      containers:\n",
            "      schedulerName: mine\n      containers:\n",
        ),
        &[
            "manifests/web.yaml:16:22: error[E006] Deployment/web: spec.template.spec.schedulerName: this field cannot be simulated: only the default scheduler is simulated",
        ],
    );
}

#[test]
fn references_to_nothing() {
    check(
        &spoilt("shop/web", "shop/wbe"),
        &[
            "scenario.toml:17:14: error[E009] service.deployment: no manifest has the Deployment \"shop/wbe\"\n  hint: did you mean \"shop/web\"?",
        ],
    );
    check(
        &spoilt("m5.large", "m5.lrage"),
        &[
            "scenario.toml:12:17: error[E009] node_group[0].instance_type: us-west-2 does not offer the instance type \"m5.lrage\"\n  hint: did you mean m5.large? `scaletwin catalog` lists all",
        ],
    );
    check(
        &with_scenario("[cloud]\nregion = \"us-wset-2\"\n"),
        &[
            "scenario.toml:22:10: error[E009] cloud.region: expected a region of the catalog such as us-west-2, found \"us-wset-2\"\n  hint: did you mean \"us-west-2\"?",
        ],
    );
    check(
        &with_scenario("[[action]]\nat = \"10m\"\napply = \"manifests/nodes.yaml\"\n"),
        &[
            "scenario.toml:23:9: error[E009] action[0].apply: there is no file \"manifests/nodes.yaml\"\n  hint: files are named as in manifests/node-pool.yaml",
        ],
    );
    check(
        &with(MANIFESTS.split("---").next().expect("a document")),
        &[
            "manifests/more.yaml:1:1: error[E010] Deployment/web: this object is given twice, first in manifests/web.yaml:1\n  hint: take one of the two out",
        ],
    );
}

#[test]
fn actions_are_about_what_some_manifest_has() {
    let said_of = |act: &str| {
        let said = said(&with_scenario(&format!("[[action]]\nat = \"10m\"\n{act}\n")));
        let line = said.first().cloned().unwrap_or_default();
        assert!(said.len() <= 1, "{said:#?}");
        line.split_once("]: ")
            .or(line.split_once("] "))
            .map_or(line.clone(), |(_, rest)| rest.to_owned())
    };
    let expected = [
        (
            "scale = \"web\"\nreplicas = 2",
            "action[0].scale: no manifest has the Deployment \"default/web\"\n  hint: did you mean \"shop/web\"?",
        ),
        (
            "delete = \"Deployment/shop/absent\"",
            "action[0].delete: no manifest has the Deployment \"shop/absent\"\n  hint: there are shop/web, shop/load, shop/traefik",
        ),
        (
            "delete = \"Ingress/web\"",
            "action[0].delete: no manifest has the Ingress \"default/web\"\n  hint: did you mean \"shop/web\"?",
        ),
        (
            "delete = \"Namespace/shop\"",
            "action[0].delete: deleting a Namespace is not simulated\n  hint: what can be deleted: Deployment, DaemonSet, Service, Ingress, IngressRoute, HorizontalPodAutoscaler, ScaledObject, NodePool, PodDisruptionBudget",
        ),
        (
            "interrupt = { count = 1 }",
            "action[0].interrupt: only machines of NodePools are taken back, and no manifest has a NodePool\n  hint: a node group would replace what was taken: its machines are there from beginning to end",
        ),
        ("delete = \"Service/shop/web\"", ""),
    ];
    for (act, expected) in expected {
        assert_eq!(said_of(act), expected, "{act}");
    }
    let spot = "[cloud]\ninterruption = 50\n[[node_group]]\nname = \"spot\"\ninstance_type = \"m5.large\"\n\
        capacity_type = \"spot\"\nnodes = 1\n";
    let said = said(&with_scenario(spot));
    assert!(
        said.len() == 1
            && said[0].contains("warning[W001] node_group[1].capacity_type: cloud.interruption is ignored"),
        "{said:#?}"
    );
}

#[test]
fn actions_say_one_thing() {
    check(
        &with_scenario("[[action]]\nat = \"10m\"\nstop = \"prometheus\"\nscale = \"shop/web\"\n"),
        &[
            "scenario.toml:21:1: error[E005] action[0]: expected exactly one of scale, apply, delete, stop, start, interrupt, shortage, found scale and stop",
        ],
    );
    check(
        &with_scenario("[[action]]\nat = \"noon\"\nstop = \"promteheus\"\n"),
        &[
            "scenario.toml:22:6: error[E003] action[0].at: expected a time, found \"noon\"\n  hint: a time of day such as 13:47:50, or a duration since time zero such as 12m30s",
        ],
    );
    check(
        &with_scenario("[[action]]\nat = \"10m\"\nstop = \"promteheus\"\n"),
        &[
            "scenario.toml:23:8: error[E004] action[0].stop: expected prometheus, keda, karpenter, hpa, scheduler or metrics-server, found \"promteheus\"\n  hint: did you mean \"prometheus\"?",
        ],
    );
}

#[test]
fn versions_outside_what_is_known() {
    check(
        &spoilt("\"1.35\"", "\"1.12\""),
        &[
            "scenario.toml:5:14: error[E004] stack.kubernetes: expected a Kubernetes version from 1.28 to 1.36, such as 1.36.0, found \"1.12\"",
        ],
    );
    check(
        &spoilt("\"1.14\"", "\"0.31\""),
        &[
            "scenario.toml:9:13: error[E004] stack.karpenter: expected a Karpenter version from 0.32 to 1.14, such as 1.14.1, found \"0.31\"",
        ],
    );
    check(
        &spoilt("\"1.14\"", "\"2.0\""),
        &[
            "scenario.toml:9:13: error[E004] stack.karpenter: expected a Karpenter version from 0.32 to 1.14, such as 1.14.1, found \"2.0\"",
        ],
    );
    check(
        &spoilt("\"1.14\"", "\"1.15\""),
        &[
            "scenario.toml:9:13: warning[W007] stack.karpenter: Karpenter 1.15.0 is newer than what is known here: simulated as 1.14.1",
        ],
    );
}

#[test]
fn all_problems_come_at_once() {
    let manifests = MANIFESTS
        .replace("replicas: 2", "replicas: two")
        .replace("cpu: 500m", "cpu: -1");
    let scenario = SCENARIO
        .replace("\"30m\"", "30")
        .replace("nodes = 2", "nodes = -2");
    let said = said(&files(&scenario, &[("manifests/web.yaml", &manifests)]));
    assert_eq!(said.len(), 4, "{said:#?}");
}

#[test]
fn overrides_are_checked_like_what_is_written() {
    let report = |set: &str| match load(&spoilt("", ""), &[set.to_owned()]) {
        Ok(_) => Vec::new(),
        Err(report) => problems(&report),
    };
    assert!(report("Deployment/web: spec.replicas=3").is_empty());
    assert_eq!(
        report("Deployment/web: spec.replcas=3"),
        [
            "manifests/web.yaml: error[E002] Deployment/web: spec.replcas: unknown field \"replcas\"\n  hint: did you mean \"replicas\"?"
        ]
    );
    assert_eq!(
        report("Deployment/wep: spec.replicas=3"),
        [
            "--set: error[E011] Deployment/wep: spec.replicas=3: there is no object \"Deployment/wep\"\n  hint: did you mean Deployment/web?"
        ]
    );
    let (scenario, _) =
        load(&spoilt("", ""), &["seed=7".to_owned(), "duration=45m".to_owned()]).expect("it runs");
    assert_eq!((scenario.seed, scenario.duration.as_secs()), (7, 2700));
}
