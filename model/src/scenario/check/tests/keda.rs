//! ScaledObjects.

use super::{HPA, SCALED_OBJECT, SCENARIO, WORKLOADS, codes, codes_of_spec, report, told};
use crate::document::Severity;

/// A change that makes a rule speak, and one like it that does not.
#[test]
fn rules_about_scaled_objects() {
    let check = |code: &str, fires: &[&str], silent: &[&str]| {
        let with = |sets: &[&str]| codes_of_spec(SCALED_OBJECT, "ScaledObject/web", sets);
        assert!(with(fires).contains(code), "{code} is silent: {:?}", with(fires));
        assert!(!with(silent).contains(code), "{code} speaks: {:?}", with(silent));
    };
    let query = |query: &str| format!(".triggers[0].metadata.query={query}");
    let from_zero = ".minReplicaCount=0";
    check(
        "K001",
        &[".cooldownPeriod=30"],
        &[".cooldownPeriod=30", from_zero],
    );
    check("K001", &[".initialCooldownPeriod=30"], &[]);
    check("K002", &[".cooldownPeriod=30", from_zero], &[from_zero]);
    let stabilization = |seconds: u32| {
        format!(
            ".advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.stabilizationWindowSeconds={seconds}"
        )
    };
    check("K002", &[&stabilization(900), from_zero], &[&stabilization(900)]);
    check(
        "K003",
        &[".pollingInterval=5"],
        &[".pollingInterval=5", ".triggers[0].useCachedMetrics=true"],
    );
    assert!(codes(&SCALED_OBJECT.replace("  maxReplicaCount: 20\n", ""), &[]).contains("K004"));
    check(
        "K005",
        &[".triggers[0].metadata.activationThreshold='5'"],
        &[from_zero],
    );
    check(
        "K006",
        &[".fallback={failureThreshold=3,replicas=5}"],
        &[
            ".fallback={failureThreshold=3,replicas=5}",
            ".triggers[0].metadata.ignoreNullValues='false'",
        ],
    );
    let fallback = ".fallback={failureThreshold=3,replicas=5}";
    let outage = "action[0]={at='10m',stop='prometheus',for='5m'}";
    check(
        "K006",
        &[outage],
        &[outage, ".triggers[0].metadata.ignoreNullValues='false'"],
    );
    check("K007", &[fallback, "stack.keda=2.12"], &[fallback]);
    check(
        "K008",
        &[from_zero, ".initialCooldownPeriod=30", "stack.keda=2.12"],
        &[from_zero, ".initialCooldownPeriod=30"],
    );
    check(
        "K008",
        &[".triggers[0].metadata.timeout='500'", "stack.keda=2.16"],
        &[".triggers[0].metadata.timeout='500'"],
    );
    let tolerance = ".advanced.horizontalPodAutoscalerConfig.behavior.scaleUp.tolerance='50m'";
    check(
        "K008",
        &[tolerance, "stack.keda=2.17"],
        &[tolerance, "stack.keda=2.18"],
    );
    check("H005", &[tolerance, "stack.kubernetes=1.34"], &[tolerance]);
    let cpu = ".triggers[1]={type='cpu',metricType='Utilization',metadata={value='50'}}";
    check("K009", &[cpu], &[]);
    let from_zero_by_cpu = [cpu, from_zero];
    check("K017", &from_zero_by_cpu, &[cpu]);
    assert!(!codes_of_spec(SCALED_OBJECT, "ScaledObject/web", &from_zero_by_cpu).contains("K009"));
    let side = "Deployment/web: spec.template.spec.containers[1]={name='side',image='s:1',resources={requests={cpu='1'}}}";
    let of = |name: &str| {
        format!(
            ".triggers[1]={{type='cpu',metricType='Utilization',metadata={{value='50',containerName='{name}'}}}}"
        )
    };
    check("W010", &[side, &of("side")], &[side, &of("web")]);
    let used = |pods: &str| {
        query(&format!(
            "sum(rate(container_cpu_usage_seconds_total{{{pods}}}[2m]))"
        ))
    };
    check(
        "W010",
        &[&used("pod=~\"worker-.*\"")],
        &[&used("pod=~\"web-.*\"")],
    );
    check(
        "W010",
        &[&used("namespace=\"other\"")],
        &[&used("namespace=\"shop\"")],
    );
    let init = |more: &str| {
        format!("Deployment/web: spec.template.spec.initContainers=[{{name='init',image='init:1'{more}}}]")
    };
    check("S009", &[&init("")], &[&init(",command=['sh','-c','sleep 90']")]);
    check(
        "S009",
        &[&init(",args=['until','ready;','do','sleep','2;']")],
        &[&init(",restartPolicy='Always'")],
    );
    check(
        "S009",
        &[&init("")],
        &[&init(""), "application[shop/web]={init=30}"],
    );
    let buckets = |le: &str| {
        query(&format!(
            "sum(rate(traefik_service_request_duration_seconds_bucket{{le=\"{le}\"}}[2m]))"
        ))
    };
    check("P003", &[&buckets("5")], &[&buckets("5.0")]);
    check(
        "P003",
        &[&buckets("5.0"), "stack.prometheus=2.55.1"],
        &[&buckets("5"), "stack.prometheus=2.55.1"],
    );
    check("P003", &[&buckets("2.5")], &[&buckets("+Inf")]);
    let exporter =
        "Deployment/load: spec.template.metadata.labels[app.kubernetes.io/name]='kube-state-metrics'";
    check(
        "P002",
        &[&query("count(kube_pod_labels)"), exporter],
        &[&query("count(kube_pod_info)"), exporter],
    );
    let worker = HPA.replace("name: web}", "name: worker}")
        + "---\n"
        + &WORKLOADS.split("---\n").next().unwrap().replace("web", "worker");
    assert!(codes(&worker, &[]).contains("W010") && !codes(HPA, &[]).contains("W010"));
    let bare = "Deployment/web: spec.template.spec.initContainers=[{name='log',image='log:1',restartPolicy='Always'}]";
    check("H003", &[cpu, bare], &[cpu]);
    check(
        "K010",
        &[".triggers[0].metricType='Value'"],
        &[".triggers[0].metricType='AverageValue'"],
    );
    let p95 = query(
        "histogram_quantile(0.95, sum by (le) (rate(traefik_service_request_duration_seconds_bucket[2m])))",
    );
    let value = ".triggers[0].metricType='Value'";
    check("K010", &[&p95], &[&p95, value]);
    check("K010", &[value], &[&p95, value]);
    let of_service = "traefik_service_requests_total{service=\"shop-web-80@kubernetes\"}";
    for mean in [
        format!("avg(rate({of_service}[2m]))"),
        format!("sum(rate({of_service}[2m])) / count(kube_pod_info{{namespace=\"shop\"}}) * 2"),
        format!("sum(rate({of_service}[2m])) / scalar(count(kube_pod_info{{namespace=\"shop\"}}))"),
    ] {
        check("K010", &[&query(&mean)], &[&query(&mean), value]);
    }
    let halved = query(&format!("sum(rate({of_service}[2m])) / (60 * 2)"));
    check("K010", &[&halved, value], &[&halved]);
    // Beside a formula nobody reads what the triggers say of their metrics.
    let formula = ".advanced.scalingModifiers={formula='rps',target='2'}";
    let named = ".triggers[0].name='rps'";
    check(
        "K010",
        &[value, named, formula, "stack.keda=2.11"],
        &[value, named, formula],
    );
    check(
        "K010",
        &[
            named,
            ".advanced.scalingModifiers={formula='rps',target='2',metricType='Value'}",
        ],
        &[named, formula],
    );
    let activation = ".triggers[0].metadata.activationThreshold='5'";
    check(
        "K005",
        &[activation, named, formula, from_zero],
        &[activation, named, from_zero],
    );
    let target = ".advanced.scalingModifiers={formula='rps',target='2',activationTarget='1'}";
    check("K005", &[named, target], &[named, target, from_zero]);
    check("K015", &[&query("scalar(sum(up))")], &[&query("sum(up)")]);
    let bare = query("rate(traefik_service_requests_total{service=\"shop-web-80@kubernetes\"}[2m])");
    check(
        "K011",
        &[&bare],
        &[&query(
            "max(rate(traefik_service_requests_total{service=\"shop-web-80@kubernetes\"}[2m]))",
        )],
    );
    let durations = "rate(traefik_service_request_duration_seconds_bucket[2m])";
    check(
        "K011",
        &[&query(&format!(
            "histogram_quantile(0.95, sum by (le, code) ({durations}))"
        ))],
        &[&query(&format!(
            "histogram_quantile(0.95, sum by (le) ({durations}))"
        ))],
    );
    let by_code = |code: &str| {
        query(&format!(
            "sum by (code) (rate(traefik_service_requests_total{{code{code}}}[2m]))"
        ))
    };
    check("K011", &[&by_code("=~\"2..\"")], &[&by_code("=\"200\"")]);
    let by_service = |matcher: &str| {
        query(&format!(
            "sum by (service) (rate(traefik_service_requests_total{{{matcher}}}[2m]))"
        ))
    };
    check(
        "K011",
        &[&by_service("")],
        &[&by_service("service=~\"shop-web.*\"")],
    );
    let top = |most: u32| {
        query(&format!(
            "topk({most}, sum by (service) (rate(traefik_service_requests_total[2m])))"
        ))
    };
    check("K011", &[&top(2)], &[&top(1)]);
    check(
        "K011",
        &[&query(
            "max_over_time(rate(traefik_service_requests_total[2m])[5m:1m])",
        )],
        &[&query(
            "max_over_time(sum(rate(traefik_service_requests_total[2m]))[5m:1m])",
        )],
    );
    check(
        "K011",
        &[&query("kube_pod_status_ready{namespace=\"shop\"}")],
        &[&query("count(kube_pod_status_ready{namespace=\"shop\"})")],
    );
    check(
        "K011",
        &[&query("rate(container_cpu_usage_seconds_total[5m])")],
        &[&query("sum(rate(container_cpu_usage_seconds_total[5m]))")],
    );
    let up = query("sum(up{job=\"kubernetes-nodes\"})");
    assert!(!codes_of_spec(SCALED_OBJECT, "ScaledObject/web", &[&up]).contains("K013"));
    let arrivals = query("sum(rate(traefik_entrypoint_requests_total{entrypoint=\"web\"}[2m]))");
    check("K012", &[from_zero], &[from_zero, &arrivals]);
    check(
        "K012",
        &[".idleReplicaCount=0"],
        &[".idleReplicaCount=0", &arrivals],
    );
    let other = query("sum(rate(traefik_service_requests_total{service=\"shop-web-http@kubernetes\"}[2m]))");
    check(
        "K013",
        &[&other],
        &[&query(
            "sum(rate(traefik_service_requests_total{service=~\"shop-.*\"}[2m]))",
        )],
    );
    for (label, exists) in [
        ("job=\"kubernetes-pods\"", true),
        ("job=\"traefik\"", false),
        ("entrypoint=\"web\"", true),
        ("entrypoint=\"websecure\"", false),
        ("method=\"POST\"", false),
        ("namespace=\"shop\"", true),
        ("namespace=\"traefik\"", false),
        ("code=~\"5..\"", true),
        ("code=\"2xx\"", false),
    ] {
        let own = query(&format!(
            "sum(rate(traefik_entrypoint_requests_total{{{label}}}[2m]))"
        ));
        let set = format!("ScaledObject/web: spec{own}");
        assert_eq!(!codes(SCALED_OBJECT, &[&set]).contains("K013"), exists, "{label}");
    }
    for (label, exists) in [
        ("exported_service", false),
        ("pod", true),
        ("app", true),
        ("team", false),
    ] {
        let own = query(&format!(
            "sum(rate(traefik_service_requests_total{{{label}=\"x\"}}[2m]))"
        ));
        assert_eq!(
            !codes(SCALED_OBJECT, &[&format!("ScaledObject/web: spec{own}")]).contains("K013"),
            exists,
            "{label}"
        );
    }
    // A pod serves 1 / 0.02 = 50 a second of a reference core, and half of that of one that it shares with others.
    check(
        "K014",
        &[".triggers[0].metadata.threshold=60"],
        &[".triggers[0].metadata.threshold=20"],
    );
    let busy = ".triggers[0].metadata.threshold=40";
    check("K014", &[busy], &[busy, "cpu.smt_gain=1"]);
    // What nobody waits for any longer is counted with the code 499.
    let (high, gives_up) = (".triggers[0].metadata.threshold=48", "load.clients.timeout='2s'");
    let all = query(&format!("sum(rate({of_service}[2m]))"));
    check("K014", &[&all, high], &[&all, high, gives_up]);
    let far = "ScaledObject/web: spec.triggers[0].metadata.threshold=500";
    let said = told(
        SCALED_OBJECT,
        "K014",
        &[&format!("ScaledObject/web: spec{all}"), far, gives_up],
    );
    assert!(said.contains("only requests that fail"), "{said}");
    check("K014", &[high, gives_up], &[&all, high, "service.timeout='2s'"]);
    check(
        "K014",
        &[".triggers[0].metadata.threshold=48"],
        &[".triggers[0].metadata.threshold=48", &arrivals],
    );
    let served = |before: &str, after: &str| {
        query(&format!(
            "sum({before}(traefik_service_requests_total{{service=\"shop-web-80@kubernetes\"}}[2m])){after}"
        ))
    };
    let unit = ".triggers[0].metadata.threshold=1200";
    check(
        "K014",
        &[&served("rate", " or vector(0)"), unit],
        &[&served("increase", ""), unit],
    );
    check(
        "K014",
        &[&served("irate", ""), unit],
        &[&served("rate", " * 60"), unit],
    );
    let high = ".triggers[0].metadata.threshold=60";
    check("K014", &[high, named], &[high, named, formula]);
    let short = query("sum(rate(traefik_service_requests_total{service=\"shop-web-80@kubernetes\"}[1m]))");
    check(
        "P001",
        &[&short],
        &[&short, "timing.prometheus.scrape_interval=15s"],
    );
    let own_job = "timing.prometheus.job.kubernetes-nodes-cadvisor.scrape_interval=15s";
    let cadvisor = query("sum(rate(container_cpu_usage_seconds_total[30s]))");
    check("P001", &[&cadvisor], &[&cadvisor, own_job]);
    let greatest = query("max(max_over_time(traefik_entrypoint_open_connections[1m]))");
    let traefik = "stack.traefik=2.11";
    check(
        "P001",
        &[&greatest.replace("1m", "50s"), traefik],
        &[&greatest, traefik],
    );
    let memory = query("sum(container_memory_working_set_bytes)");
    check("W005", &[&memory], &[&memory, "service.memory.idle=64Mi"]);
    let partly = "ScaledObject/web: metadata.annotations[autoscaling.keda.sh/paused-scale-in]='true'";
    check("K008", &[partly, "stack.keda=2.17"], &[partly]);
    let port = |port: u16| {
        format!("Deployment/traefik: spec.template.metadata.annotations[prometheus.io/port]='{port}'")
    };
    let ports = "Deployment/traefik: spec.template.spec.containers[0].ports=[{containerPort=9100},{containerPort=8000}]";
    check("P002", &[&port(9101), ports], &[&port(9100), ports]);
    let args = "Deployment/traefik: spec.template.spec.containers[0].args=['--entryPoints.metrics.address=:9101/tcp']";
    check("P002", &[&port(9100), ports, args], &[&port(9101), ports, args]);
    let path = "Deployment/traefik: spec.template.metadata.annotations[prometheus.io/path]";
    check(
        "P002",
        &[&format!("{path}='/stats'")],
        &[&format!("{path}='/metrics'")],
    );
    check("H001", &[".advanced={}"], &[]);
    check(
        "H004",
        &[".advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.stabilizationWindowSeconds=0"],
        &[],
    );
    check(
        "P002",
        &["Deployment/traefik: spec.template.metadata.annotations={}"],
        &[],
    );
    check(
        "P002",
        &["dashboard.pods='count(kube_pod_info)'"],
        &[
            "dashboard.pods='count(kube_pod_info)'",
            "Deployment/load: spec.template.metadata.labels[app.kubernetes.io/name]='kube-state-metrics'",
        ],
    );
    let own = "sum by (pod) (rate(http_requests_total[2m]))";
    check(
        "P002",
        &[&query(own)],
        &[&query("sum(rate(container_cpu_usage_seconds_total[2m]))")],
    );
    check(
        "P002",
        &[&format!("metric.rate='{own}'")],
        &["metric.rate='sum(rate(traefik_entrypoint_requests_total[2m]))'"],
    );
    // From Traefik 3.0 on there is another name for it.
    let open = query("sum(traefik_service_open_connections)");
    check("P002", &[&open], &[&open, "stack.traefik=2.11"]);
    check(
        "W006",
        &[
            "stack.kubernetes=1.33",
            "Deployment/web: spec.template.spec.resources.requests.cpu=1",
        ],
        &["Deployment/web: spec.template.spec.resources.requests.cpu=1"],
    );
    let sleep =
        "Deployment/web: spec.template.spec.containers[0].lifecycle={preStop = {sleep = {seconds = 5}}}";
    let command = "Deployment/web: spec.template.spec.containers[0].lifecycle={preStop = {exec = {command = ['sleep', '5']}}}";
    check(
        "W006",
        &["stack.kubernetes=1.29", sleep],
        &["stack.kubernetes=1.30", sleep],
    );
    check(
        "W006",
        &["stack.kubernetes=1.28", sleep],
        &["stack.kubernetes=1.29", command],
    );
    check("W007", &["stack.karpenter=1.15"], &["stack.karpenter=1.14.7"]);
    check("S002", &["warm_up=30s"], &[]);
}

#[test]
fn what_keda_refuses_or_cannot_read_is_an_error() {
    let check = |sets: &[&str], part: &str| {
        let report = report(SCENARIO, SCALED_OBJECT, sets);
        let errors = report
            .problems
            .iter()
            .filter(|own| own.severity == Severity::Error);
        let told: Vec<String> = errors.map(ToString::to_string).collect();
        match part {
            "" => assert!(told.is_empty(), "{sets:?} {told:?}"),
            part => assert!(told.len() == 1 && told[0].contains(part), "{sets:?} {told:?}"),
        }
    };
    let cron = |start: &str, replicas: &str| {
        format!(
            "ScaledObject/web: spec.triggers[1]={{type='cron',metadata={{timezone='UTC',start='{start}',end='0 18 * * *',\
             desiredReplicas='{replicas}'}}}}"
        )
    };
    check(&[&cron("0 8 * * *", "5")], "");
    check(&[&cron("0 8 * * *", "0")], "refuses desiredReplicas 0");
    check(&[&cron("0 8 * * *", "0"), "stack.keda=2.15"], "");
    check(&[&cron("0 8 * * *", "2.5")], "expected a whole number");
    check(&[&cron("@daily", "5")], "no descriptor");
    check(&[&cron("0 18 * * *", "5")], "start and end are the same");
    let paused = |text: &str| {
        format!("ScaledObject/web: metadata.annotations[autoscaling.keda.sh/paused-replicas]='{text}'")
    };
    check(&[&paused("3")], "");
    check(&[&paused("three")], "expected a number of replicas");
    let idle = "ScaledObject/web: spec.idleReplicaCount=0";
    check(&[idle, "ScaledObject/web: spec.minReplicaCount=0"], "");
    let unset = SCALED_OBJECT.replace("  minReplicaCount: 2\n", "");
    let refused = super::report(SCENARIO, &unset, &[idle]);
    assert!(refused.has_errors(), "a minimum that is left out is 0: {refused}");
    let name = |length: usize| {
        let name = "a".repeat(length);
        format!("ScaledObject/web: spec.advanced.horizontalPodAutoscalerConfig.name='{name}'")
    };
    check(&[&name(63)], "");
    check(&[&name(64)], "the name of the HPA has 64 characters");
    // keda-hpa- and 55 more.
    let long = SCALED_OBJECT.replace(
        "{name: web, namespace",
        &format!("{{name: {}, namespace", "b".repeat(55)),
    );
    assert!(super::report(SCENARIO, &long, &[]).has_errors());
}

#[test]
fn advice_names_what_the_scenario_says() {
    let has = |code: &str, sets: &[&str], part: &str| {
        let told = told(SCALED_OBJECT, code, sets);
        assert!(told.contains(part), "{code}: {told}");
    };
    let slow = [
        "timing.hpa.downscale_stabilization=10m",
        "timing.hpa.sync_period=30s",
    ];
    let with = |set: &'static str| [slow[0], slow[1], set];
    has(
        "K001",
        &with("ScaledObject/web: spec.cooldownPeriod=30"),
        "600 s if unset",
    );
    has(
        "K003",
        &with("ScaledObject/web: spec.pollingInterval=5"),
        "every 30 s",
    );
    has(
        "H001",
        &with("ScaledObject/web: spec.advanced={}"),
        "600 s have asked for",
    );
    let query = |query: &str| format!("ScaledObject/web: spec.triggers[0].metadata.query={query}");
    has(
        "K011",
        &[&query(
            "sum by (service) (rate(traefik_service_requests_total[2m]))",
        )],
        "an element for each service",
    );
    let one_scrape = query("sum(rate(traefik_entrypoint_requests_total[1m]))");
    has("P001", &[&one_scrape], "60 s never holds");
    has(
        "P001",
        &[&one_scrape, "stack.prometheus=2.53.0"],
        "60 s next to never holds",
    );
    has(
        "P001",
        &[&query("sum(rate(traefik_entrypoint_requests_total[90s]))")],
        "90 s not always holds",
    );
}

/// What KEDA's webhook refuses in some releases only.
#[test]
fn releases_of_keda_refuse_what_they_do_not_take() {
    let refused = |sets: &[&str]| {
        let sets: Vec<String> = sets
            .iter()
            .map(|set| set.replace("; ", "ScaledObject/web: spec"))
            .collect();
        let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
        let report = report(SCENARIO, SCALED_OBJECT, &sets);
        report.problems.iter().any(|problem| problem.code == "E004")
    };
    let cpu = "; .triggers=[{type='cpu',metricType='Utilization',metadata={value='50'}}]";
    let fallback = "; .fallback={failureThreshold=3,replicas=5}";
    let value = "; .triggers[0].metricType='Value'";
    let by_formula = "; .fallback={failureThreshold=3,replicas=5,behavior='scalingModifiers'}";
    let named = "; .triggers[0].name='rps'";
    let formula = "; .advanced.scalingModifiers={formula='rps',target='2'}";
    let of_value = "; .advanced.scalingModifiers={formula='rps',target='2',metricType='Value'}";
    for (keda, sets, expected) in [
        ("2.20", &[cpu][..], false),
        ("2.16", &[cpu, fallback], false),
        ("2.17", &[cpu, fallback], true),
        ("2.20", &[cpu, fallback], true),
        ("2.16", &[value, fallback], false),
        ("2.17", &[value, fallback], true),
        ("2.18", &[value, fallback], false),
        ("2.17", &[named, of_value, fallback], true),
        ("2.18", &[named, of_value, fallback], false),
        ("2.16", &[by_formula], false),
        ("2.19", &[named, formula, by_formula], true),
        ("2.20", &[by_formula], true),
        ("2.20", &[named, formula, by_formula], false),
        (
            "2.18",
            &["; .triggers=[{type='cpu',metadata={type='Utilization',value='50'}}]"],
            true,
        ),
        (
            "2.17",
            &["; .triggers=[{type='cpu',metadata={type='Utilization',value='50'}}]"],
            false,
        ),
    ] {
        let release = format!("stack.keda={keda}");
        let all: Vec<&str> = sets.iter().copied().chain([release.as_str()]).collect();
        assert_eq!(refused(&all), expected, "{all:?}");
    }
    for (trigger, expected) in [
        (
            "{type='cpu',metricType='AverageValue',metadata={value='500m'}}",
            true,
        ),
        (
            "{type='cpu',metricType='AverageValue',metadata={value='500m',containerName='other'}}",
            false,
        ),
        (
            "{type='memory',metricType='AverageValue',metadata={value='1Gi'}}",
            true,
        ),
    ] {
        let nothing = "Deployment/web: spec.template.spec.containers[0].resources={}";
        let set = format!("; .triggers=[{trigger}]");
        assert_eq!(refused(&[&set, nothing]), expected, "{trigger}");
    }
    let cached = "; .triggers[0].useCachedMetrics=true";
    assert!(
        refused(&[cpu, cached]) && !refused(&[cached]),
        "only Prometheus's values are kept"
    );
    let limit = "Deployment/web: spec.template.spec.containers[0].resources={limits={cpu='1'}}";
    assert!(!refused(&[cpu, limit]), "a limit is a request");
}
