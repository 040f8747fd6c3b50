//! NodePools and EC2NodeClasses.

use super::{HPA, NODE_POOL, SCENARIO, WORKLOADS, codes, codes_of_spec, loaded, report, told};
use crate::document::Severity;
use crate::ec2::{Quota, QuotaGroup};

#[test]
fn rules_about_node_pools() {
    let check = |code: &str, fires: &[&str], silent: &[&str]| {
        let with = |sets: &[&str]| codes_of_spec(HPA, "NodePool/default", sets);
        assert!(with(fires).contains(code), "{code} is silent: {:?}", with(fires));
        assert!(!with(silent).contains(code), "{code} speaks: {:?}", with(silent));
    };
    let gpu = "Deployment/web: spec.template.spec.containers[0].resources.limits[nvidia.com/gpu]=1";
    let categories = ".template.spec.requirements[1].values=['g']";
    check("N001", &[gpu], &[gpu, categories]);
    check(
        "N001",
        &[
            "Deployment/web: spec.template.spec.nodeSelector.disk='fast'",
            "node_group[0].labels.disk='slow'",
        ],
        &[
            "Deployment/web: spec.template.spec.nodeSelector.disk='fast'",
            ".template.metadata.labels.disk='fast'",
        ],
    );
    check(
        "N001",
        &[
            "node_group[0].taints=['only=system:NoSchedule']",
            ".template.spec.taints[0]={key='only',effect='NoSchedule'}",
        ],
        &["node_group[0].taints=['only=system:NoSchedule']"],
    );
    // Labels that the group's nodes do not have, and more disk than its volume.
    let generation =
        "Deployment/web: spec.template.spec.nodeSelector[karpenter.k8s.aws/instance-generation]='0'";
    check("N001", &[generation], &[&generation.replace("'0'", "'6'")]);
    let either = |first: &str, second: &str| {
        let term = |value: &str| {
            format!(
                "{{matchExpressions=[{{key='node.kubernetes.io/instance-type',operator='In',values=['{value}']}}]}}"
            )
        };
        format!(
            "Deployment/web: spec.template.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms=[{},{}]",
            term(first),
            term(second)
        )
    };
    let (none, own) = (
        either("ml.g5.xlarge", "no.large"),
        either("ml.g5.xlarge", "c5.large"),
    );
    check("N001", &[&none], &[&own]);
    check("N001", &[&none], &[&either("c5.large", "no.large")]);
    let disk = "Deployment/web: spec.template.spec.containers[0].resources.requests.ephemeral-storage='60Gi'";
    check("N001", &[disk], &[disk, "node_group[0].volume.size='80Gi'"]);
    check(
        "N004",
        &[".disruption.budgets[0].nodes='0'"],
        &[".disruption.budgets[0].nodes='1'"],
    );
    let told = |code: &str, set: &str| told(HPA, code, &[&format!("NodePool/default: spec{set}")]);
    let of_drift = told("N004", ".disruption.budgets[0]={nodes='0',reasons=['Drifted']}");
    assert!(
        of_drift.contains("for drift ever") && !of_drift.contains("consolidated"),
        "{of_drift}"
    );
    let protected = ".template.metadata.annotations[karpenter.sh/do-not-disrupt]='true'";
    check("N002", &[protected], &[&protected.replace("true", "false")]);
    let low = ".limits.cpu='500m'";
    assert!(
        told("N006", low).contains("never launches any"),
        "{}",
        told("N006", low)
    );
    check("N006", &[low], &[".limits.cpu=1"]);
    let nodes = ".limits.nodes='3'";
    check(
        "N006",
        &[nodes, "stack.karpenter=1.10"],
        &[nodes, "stack.karpenter=1.11"],
    );
    let impossible = ".template.spec.requirements[1]={key='karpenter.k8s.aws/instance-generation',operator='Gt',values=['99']}";
    check("N022", &[impossible], &[&impossible.replace("99", "4")]);
    let bought = ".template.spec.requirements[0].values=['reserved']";
    check("N022", &[bought], &[&bought.replace("reserved", "spot")]);
    let full = "EC2NodeClass/default: spec.kubelet={maxPods=0}";
    check("N022", &[full], &[&full.replace('0', "4")]);
    let taint = ".template.spec.taints[0]={key='only',effect='NoSchedule'}";
    check("N022", &[full], &[full, taint]);
    let plugin = "application[kube-system/plugin]={device_plugin=true}";
    check("N014", &[gpu, categories], &[categories]);
    let hint = |family: &[&str]| {
        let pool = format!("NodePool/default: spec{categories}");
        super::told(HPA, "N014", &[family, &[gpu, &pool]].concat())
    };
    let bottlerocket = [
        "EC2NodeClass/default: spec.amiFamily='Bottlerocket'",
        "EC2NodeClass/default: spec.amiSelectorTerms=[{alias='bottlerocket@latest'}]",
    ];
    assert!(hint(&bottlerocket).contains("Bottlerocket") && !hint(&[]).contains("Bottlerocket"));
    let daemon = "apiVersion: apps/v1
kind: DaemonSet
metadata: {name: plugin, namespace: kube-system}
spec:
  selector: {matchLabels: {app: plugin}}
  template:
    metadata: {labels: {app: plugin}}
    spec: {containers: [{name: plugin, image: \"plugin:1\"}]}
";
    let with_daemon = format!("{HPA}---\n{daemon}");
    let category = format!("NodePool/default: spec{categories}");
    assert!(
        codes(&with_daemon, &[gpu, &category]).contains("N014"),
        "its image says nothing"
    );
    assert!(!codes(&with_daemon, &[gpu, &category, plugin]).contains("N014"));
    // New nodes wait for a device plugin, and for its init containers; for no other DaemonSet.
    let init = "DaemonSet/plugin: spec.template.spec.initContainers=[{name='init',image='init:1'}]";
    assert!(codes(&with_daemon, &[init, plugin]).contains("S009"));
    let timed = "application[kube-system/plugin]={device_plugin=true,init=20}";
    for silent in [&[init][..], &[init, timed]] {
        assert!(!codes(&with_daemon, silent).contains("S009"), "{silent:?}");
    }
    let probe = "DaemonSet/plugin: spec.template.spec.containers[0].livenessProbe={tcpSocket={port=80},periodSeconds=5,\
                 failureThreshold=3}";
    let slow = "application[kube-system/plugin]={startup=60}";
    assert!(codes(&with_daemon, &[probe, slow]).contains("S006"));
    assert!(!codes(&with_daemon, &[probe]).contains("S006"));
    check(
        "N005",
        &[".disruption.consolidateAfter='0s'"],
        &[
            ".disruption.consolidateAfter='0s'",
            ".disruption.consolidationPolicy='WhenEmpty'",
        ],
    );
    check("N005", &[".disruption.consolidateAfter='Never'"], &[]);
    check("N006", &[".limits={}"], &[]);
    check("N007", &[".replicas=2", "stack.karpenter=1.5"], &[".replicas=2"]);
    check(
        "N008",
        &[".template.spec.requirements[0].values=['spot']"],
        &[".template.spec.requirements[0].values=['spot','on-demand']"],
    );
    let on_demand = NODE_POOL
        .split("---")
        .next()
        .expect("a NodePool")
        .replace("metadata: {name: default}", "metadata: {name: other}");
    let with_other = |other: &str| {
        codes(
            &format!("{HPA}---{other}"),
            &[
                "NodePool/default: spec.template.spec.requirements[0].values=['spot']",
                "NodePool/default: spec.weight=10",
            ],
        )
    };
    assert!(!with_other(&on_demand).contains("N008"), "there is a way out");
    let reserved = on_demand.replace(
        "      requirements:",
        "      taints: [{key: only, effect: NoSchedule}]\n      requirements:",
    );
    for other in [
        reserved,
        on_demand.replace("[on-demand]", "[spot]"),
        on_demand.replace("  limits:", "  weight: 20\n  limits:"),
    ] {
        assert!(with_other(&other).contains("N008"), "{other}");
    }
    check(
        "N011",
        &[".template.spec.requirements[1].values=['c','t']"],
        &[
            ".template.spec.requirements[1].values=['c','t']",
            ".template.spec.requirements[2]={key='karpenter.k8s.aws/instance-family',operator='In',values=['c7i']}",
        ],
    );
    check(
        "N011",
        &["node_group[0].instance_type='t3.large'"],
        &["node_group[0].instance_type='m5.large'"],
    );
    let family = ".template.spec.requirements[2]={key='karpenter.k8s.aws/instance-family',operator='In',values=['g4dn']}";
    let times = ["service.gpu.other=0.02", "service.gpu.time.T4=0.01"];
    check(
        "S003",
        &[gpu, categories, times[0], times[1]],
        &[gpu, categories, times[0], times[1], family],
    );
    check(
        "S003",
        &[gpu, categories, family, times[0]],
        &[gpu, categories, family],
    );
    let spot = ".template.spec.requirements[0].values=['spot','on-demand']";
    let gate = "timing.karpenter.spot_to_spot=true";
    check("N009", &[spot], &[spot, gate]);
    let few = ".template.spec.requirements[2]={key='karpenter.k8s.aws/instance-family',operator='In',values=['m5']}";
    check("N009", &[spot, gate, few], &[spot, gate]);
    check(
        "W006",
        &["timing.karpenter.drift=false"],
        &["timing.karpenter.spot_to_spot=true"],
    );
    let preferences = "timing.karpenter.ignore_preferences=true";
    check("W006", &[preferences, "stack.karpenter=1.3"], &[preferences]);
    check("E014", &["stack.karpenter=0.32"], &["stack.karpenter=1.0"]);
    let al2 = "EC2NodeClass/default: spec.amiSelectorTerms[0].alias='al2@latest'";
    check(
        "W008",
        &[al2, "stack.kubernetes=1.33"],
        &[al2, "stack.kubernetes=1.32"],
    );
}

#[test]
fn values_that_no_machine_has_are_told_one_by_one() {
    let said = |set: &str| told(HPA, "N015", &[set]);
    let requirement = |place: u32, values: &str| {
        said(&format!(
            "NodePool/default: spec.template.spec.requirements[{place}].values={values}"
        ))
    };
    let capacity = requirement(0, "['on-demand','spott']");
    assert!(
        capacity.contains("\"spott\"") && capacity.contains("did you mean \"spot\""),
        "{capacity}"
    );
    assert_eq!(requirement(0, "['on-demand','spot','reserved']"), "");
    assert!(requirement(1, "['c','y']").contains("instance-category \"y\""));
    let other = |key: &str, operator: &str, values: &str| {
        said(&format!(
            "NodePool/default: spec.template.spec.requirements[2]={{key='{key}',operator='{operator}',values={values}}}"
        ))
    };
    let family = "karpenter.k8s.aws/instance-family";
    assert!(other(family, "In", "['m5','m55']").contains("\"m55\""));
    assert!(other(family, "NotIn", "['m55']").contains("excludes nothing"));
    assert_eq!(other(family, "NotIn", "['m5']"), "");
    assert!(other("topology.kubernetes.io/zone", "In", "['us-east-1a','mars-1a']").contains("mars-1a"));
    assert_eq!(other("team", "In", "['blue']"), "", "a label of one's own");
    assert_eq!(other("karpenter.k8s.aws/instance-cpu", "Gt", "['3']"), "");
}

/// What the API server refuses of nodes.
#[test]
fn releases_of_karpenter_refuse_what_they_do_not_take() {
    let refused = |sets: &[&str]| {
        let report = report(SCENARIO, HPA, sets);
        let mut problems = report.problems.iter();
        problems.any(|problem| problem.severity == Severity::Error)
    };
    let operator = "NodePool/default: spec.template.spec.requirements[2]=\
                    {key='karpenter.k8s.aws/instance-cpu',operator='Gte',values=['4']}";
    assert!(refused(&[operator, "stack.karpenter=1.8"]) && !refused(&[operator, "stack.karpenter=1.9"]));
    let budget = |length: &str| {
        format!(
            "NodePool/default: spec.disruption.budgets[0]={{nodes='1',schedule='0 9 * * *',duration='{length}'}}"
        )
    };
    for (length, expected) in [
        ("1h30m", false),
        ("8h", false),
        ("10m0s", false),
        ("1h0m0s", false),
        ("30s", true),
        ("90m30s", true),
        ("100s", true),
    ] {
        assert_eq!(refused(&[&budget(length)]), expected, "{length}");
    }
    let nodes = |nodes: &str| format!("NodePool/default: spec.disruption.budgets[0]={{nodes={nodes}}}");
    assert!(refused(&[&nodes("5")]) && !refused(&[&nodes("'5'")]));
    let after = "NodePool/default: spec.disruption.consolidateAfter=";
    let hint = told(HPA, "E003", &[&format!("{after}30")]);
    assert!(hint.contains("30s") && !hint.contains("in quotes"), "{hint}");
    let family = |family: &str| format!("EC2NodeClass/default: spec.amiFamily={family}");
    assert!(refused(&[&family("'Bottlerocket'")]));
    assert!(!refused(&[&family("'AL2023'")]) && !refused(&[&family("'Custom'")]));
    let soft = "EC2NodeClass/default: spec.kubelet={evictionSoft={'memory.available'='5%'}";
    assert!(refused(&[&format!("{soft}}}")]));
    assert!(!refused(&[&format!(
        "{soft},evictionSoftGracePeriod={{'memory.available'='1m'}}}}"
    )]));
}

#[test]
fn volumes_cost_what_they_do_in_us_west_2_unless_it_is_said() {
    let given = "cloud.price.volume={gp3=0.0952}";
    let speaks = |sets: &[&str]| codes_of_spec(HPA, "NodePool/default", sets).contains("S008");
    assert!(!speaks(&[]) && !speaks(&["cloud.region='us-east-1'"]));
    let elsewhere = "cloud.region='eu-central-1'";
    assert!(speaks(&[elsewhere]) && !speaks(&[elsewhere, given]));
    let (scenario, _) = loaded(
        SCENARIO,
        &[("web", WORKLOADS), ("b", HPA), ("c", NODE_POOL)],
        "",
        &[given],
    )
    .unwrap_or_else(|report| panic!("{report}"));
    let prices = &scenario.config.ec2.volume_prices;
    assert_eq!((prices.gp3, prices.gp2), (0.0952, 0.10));
}

#[test]
fn quotas_are_numbers_or_tables_of_groups() {
    let quota = |text: &str| {
        let set = format!("cloud.on_demand_vcpus={text}");
        loaded(
            SCENARIO,
            &[("web", WORKLOADS), ("b", HPA), ("c", NODE_POOL)],
            "",
            &[&set],
        )
        .map(|(scenario, _)| scenario.config.ec2.on_demand_vcpus)
        .map_err(|report| report.to_string())
    };
    assert_eq!(quota("64"), Ok(Some(Quota::Each(64))));
    let groups = [(QuotaGroup::Standard, 64), (QuotaGroup::G, 8)];
    assert_eq!(quota("{standard=64,g=8}"), Ok(Some(Quota::Groups(groups.into()))));
    let error = quota("{m=64}").expect_err("there is no such group");
    assert!(error.contains("E002") && error.contains("standard"), "{error}");
}
