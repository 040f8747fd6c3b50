//! HPAs, Deployments and PodDisruptionBudgets.

use super::{HPA, NODE_POOL, SCALED_OBJECT, SCENARIO, Source, WORKLOADS, codes, told};
use crate::scenario::{Files, load};

#[test]
fn rules_about_hpas_and_workloads() {
    let check = |code: &str, fires: &[&str], silent: &[&str]| {
        assert!(
            codes(HPA, fires).contains(code),
            "{code} is silent: {:?}",
            codes(HPA, fires)
        );
        assert!(
            !codes(HPA, silent).contains(code),
            "{code} speaks: {:?}",
            codes(HPA, silent)
        );
    };
    check(
        "H003",
        &["Deployment/web: spec.template.spec.containers[0].resources={}"],
        &[],
    );
    let sidecar = |extra: &str| {
        format!(
            "Deployment/web: spec.template.spec.initContainers=[{{name='log',image='log:1',restartPolicy='Always'{extra}}}]"
        )
    };
    check(
        "H003",
        &[&sidecar("")],
        &[&sidecar(",resources={requests={cpu='10m'}}")],
    );
    let bare = "Deployment/web: spec.template.spec.containers[0].resources={}";
    let of_pod = "Deployment/web: spec.template.spec.resources={requests={cpu='1'}}";
    check("H003", &[bare, of_pod, "stack.kubernetes=1.33"], &[bare, of_pod]);
    let container = |name: &str| {
        format!(
            "HorizontalPodAutoscaler/web: spec.metrics=[{{type='ContainerResource',containerResource={{name='cpu',\
             container='{name}',target={{type='Utilization',averageUtilization=50}}}}}}]"
        )
    };
    check("H007", &[&container("wbe")], &[&container("web")]);
    // Of a container that is not there nobody says that it reads as 0.
    assert!(!codes(HPA, &[&container("wbe")]).contains("W010"));
    // A pod requests half a CPU and may use one: at most 200 %.
    let target = |target: u32| {
        format!("HorizontalPodAutoscaler/web: spec.metrics[0].resource.target.averageUtilization={target}")
    };
    check("H008", &[&target(250)], &[&target(150)]);
    check(
        "H008",
        &[&target(190)],
        &[
            &target(250),
            "Deployment/web: spec.template.spec.containers[0].resources={requests={cpu='500m'}}",
        ],
    );
    let probe = |kind: &str, failures: u32| {
        format!(
            "Deployment/web: spec.template.spec.containers[0].{kind}={{tcpSocket={{port=80}},periodSeconds=5,\
             failureThreshold={failures}}}"
        )
    };
    let slow = "application.\"shop/web\".startup=60.0";
    check(
        "S006",
        &[&probe("startupProbe", 3), slow],
        &[&probe("startupProbe", 3)],
    );
    check(
        "S006",
        &[&probe("livenessProbe", 3), slow],
        &[&probe("livenessProbe", 30), slow],
    );
    check(
        "S006",
        &[&probe("livenessProbe", 3), slow],
        &[&probe("livenessProbe", 3), &probe("startupProbe", 30), slow],
    );
    check("W001", &[&probe("livenessProbe", 3)], &[]);
    check(
        "H005",
        &[
            "HorizontalPodAutoscaler/web: spec.behavior.scaleUp.tolerance='50m'",
            "stack.kubernetes=1.34",
        ],
        &["HorizontalPodAutoscaler/web: spec.behavior.scaleUp.tolerance='50m'"],
    );
    check(
        "W005",
        &["HorizontalPodAutoscaler/web: spec.metrics[0].resource.name=memory"],
        &[
            "HorizontalPodAutoscaler/web: spec.metrics[0].resource.name=memory",
            "service.memory.idle=64Mi",
        ],
    );
    check(
        "N002",
        &["Deployment/web: spec.template.metadata.annotations[karpenter.sh/do-not-disrupt]='true'"],
        &["Deployment/web: spec.template.metadata.annotations[karpenter.sh/do-not-disrupt]='false'"],
    );
    check("N003", &["PodDisruptionBudget/web: spec.maxUnavailable=0"], &[]);
    let share = "PodDisruptionBudget/web: spec={minAvailable='75%',selector={matchLabels={app='web'}}}";
    let of_three = "HorizontalPodAutoscaler/web: spec.minReplicas=3";
    let of_four = "HorizontalPodAutoscaler/web: spec.minReplicas=4";
    check("N003", &[share, of_three], &[share, of_four]);
    check(
        "N003",
        &["PodDisruptionBudget/web: spec={minAvailable=1,selector={matchLabels={app='web'}}}"],
        &[
            "PodDisruptionBudget/web: spec={minAvailable=1,selector={matchLabels={app='web'}}}",
            "HorizontalPodAutoscaler/web: spec.minReplicas=2",
        ],
    );
    let spread = "Deployment/web: spec.template.spec.topologySpreadConstraints[0]=\
                  {maxSkew=1,topologyKey='topology.kubernetes.io/zone',whenUnsatisfiable='DoNotSchedule'}";
    check(
        "N010",
        &[spread],
        &[&spread.replace("DoNotSchedule", "ScheduleAnyway")],
    );
    let keda = "Deployment/load: spec.template.spec.containers[0].image='ghcr.io/kedacore/keda:2.20.0'";
    let tainted = "node_group[0].taints=['only=system:NoSchedule']";
    check("N012", &[keda, tainted], &[keda]);
    check("N012", &[keda, tainted], &[tainted]);
    let tolerated = "Deployment/load: spec.template.spec.tolerations[0]={operator='Exists'}";
    check("N012", &[keda, tainted], &[keda, tainted, tolerated]);
    let action = "action[0]={at='10m',apply='manifests/web.yaml'}";
    let replicas = "Deployment/web: spec.replicas=3";
    check("H006", &[action, replicas], &[action]);
    check("H006", &[action, replicas], &[replicas]);
    check(
        "W004",
        &["action[0]={at='40m',scale='shop/load',replicas=5}"],
        &["action[0]={at='20m',scale='shop/load',replicas=5}"],
    );
    assert!(codes(&format!("{HPA}---{SCALED_OBJECT}"), &[]).contains("E013"));
    let second = "apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: other, namespace: shop}
spec: {maxUnavailable: 1, selector: {matchLabels: {app: web}}}
";
    assert!(
        codes(&format!("{HPA}---\n{second}"), &[]).contains("N003"),
        "two budgets"
    );
    let elsewhere = second.replace("namespace: shop", "namespace: default");
    assert!(!codes(&format!("{HPA}---\n{elsewhere}"), &[]).contains("N003"));
}

#[test]
fn labels_that_no_node_has_are_told() {
    let said = |sets: &[&str]| told(HPA, "N015", sets);
    let select = |label: &str| format!("Deployment/web: spec.template.spec.nodeSelector={{{label}}}");
    for (label, given) in [
        ("disk='fast'", false),
        ("'kubernetes.io/os'='linux'", true),
        ("'beta.kubernetes.io/instance-type'='m5.large'", true),
        ("'node.kubernetes.io/instance-type'='c7i.large'", true),
        ("'node.kubernetes.io/instance-type'='g5.xlarge'", false),
        ("'karpenter.sh/capacity-type'='on-demand'", true),
        ("'karpenter.sh/capacity-type'='spot'", false),
        ("'karpenter.sh/nodepool'='default'", true),
        ("'karpenter.sh/nodepool'='other'", false),
        ("'eks.amazonaws.com/nodegroup'='system'", true),
    ] {
        assert_eq!(
            said(&[&select(label)]).is_empty(),
            given,
            "{label}: {}",
            said(&[&select(label)])
        );
    }
    let disk = select("disk='fast'");
    for by in [
        "node_group[0].labels.disk='fast'",
        "NodePool/default: spec.template.metadata.labels.disk='fast'",
    ] {
        assert_eq!(said(&[&disk, by]), "");
    }
    let of = |key: &str, values: &str| {
        format!(
            "Deployment/web: spec.template.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution=\
             {{nodeSelectorTerms=[{{matchExpressions=[{{key='{key}',operator='In',values={values}}}]}}]}}"
        )
    };
    let term = |values: &str| of("node.kubernetes.io/instance-type", values);
    let groups_alone = "NodePool/default: spec.template.spec.requirements[2]=\
                        {key='kubernetes.io/arch',operator='In',values=['amd64']}";
    let both = of("kubernetes.io/arch", "['amd64','arm64']");
    assert_eq!(said(&[&both, groups_alone]), "", "as DaemonSets of EKS have it");
    let arm = of("kubernetes.io/arch", "['arm64']");
    assert!(said(&[&arm, groups_alone]).contains("arch=arm64"));
    let any = "NodePool/default: spec.template.metadata.labels={}";
    assert_eq!(said(&[&arm, any]), "");
    assert_eq!(said(&[&term("['m5.large','g5.xlarge']")]), "");
    assert_eq!(said(&[&term("['m5.large','c5.large']")]), "");
    let slip = said(&[&term("['m5.large','m5.lrage']")]);
    assert!(slip.contains("m5.lrage") && slip.contains("values[1]"), "{slip}");
}

/// kubectl apply takes away what the manifest before had.
#[test]
fn a_later_manifest_without_replicas_is_told() {
    let bare = WORKLOADS.split("---").next().expect("the service");
    let later = format!("{HPA}---\n{bare}");
    let source = |path: &str, text: &str| Source {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let said = |before: &str| {
        let action = "[[action]]\nat = \"10m\"\napply = \"later/web.yaml\"\n";
        let first = WORKLOADS.replacen("spec:\n  selector", &format!("spec:\n{before}  selector"), 1);
        let files = Files {
            scenario: source("scenario.toml", &format!("{SCENARIO}{action}")),
            manifests: vec![
                source("manifests/web.yaml", &first),
                source("manifests/nodes.yaml", NODE_POOL),
                source("later/web.yaml", &later),
            ],
            traces: Vec::new(),
        };
        let (_, report) = load(&files, &[]).unwrap_or_else(|report| panic!("{report}"));
        let problems = report.problems.iter();
        problems
            .filter(|own| own.code == "H006")
            .map(ToString::to_string)
            .collect::<String>()
    };
    let told = said("  replicas: 3\n");
    assert!(
        told.contains("sets the size to 1 once") && told.contains("later/web.yaml"),
        "{told}"
    );
    assert_eq!(said(""), "");
}

#[test]
fn what_protects_a_pod_depends_on_the_release() {
    let told = |value: &str, karpenter: &str| {
        let annotation = "spec.template.metadata.annotations[karpenter.sh/do-not-disrupt]";
        let set = format!("Deployment/web: {annotation}='{value}'");
        told(HPA, "N002", &[&set, &format!("stack.karpenter={karpenter}")])
    };
    assert!(told("true", "1.9").contains("never consolidated"));
    assert!(
        told("20m", "1.9").contains("protects nothing in Karpenter 1.9"),
        "{}",
        told("20m", "1.9")
    );
    assert!(told("20m", "1.14").contains("in its first 20m"));
    assert!(told("yes", "1.14").contains("protects nothing"));
    assert_eq!(told("false", "1.14"), "");
}
