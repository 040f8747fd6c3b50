//! Where pods may go: agents, architectures, taints, zones, limits.

use super::{HPA, codes, told};

const DAEMON: &str = "apiVersion: apps/v1
kind: DaemonSet
metadata: {name: plugin, namespace: kube-system}
spec:
  selector: {matchLabels: {app: plugin}}
  template:
    metadata: {labels: {app: plugin}}
    spec: {containers: [{name: plugin, image: \"plugin:1\"}], tolerations: TOLERATIONS, nodeSelector: SELECTOR}
";

/// The HPA and a DaemonSet.
fn with_daemon(tolerations: &str, selector: &str) -> String {
    let daemon = DAEMON
        .replace("TOLERATIONS", tolerations)
        .replace("SELECTOR", selector);
    format!("{HPA}---\n{daemon}")
}

#[test]
fn a_device_plugin_must_come_to_the_machines() {
    let plugin = "application[kube-system/plugin]={device_plugin=true}";
    let gpu = "Deployment/web: spec.template.spec.containers[0].resources.limits[nvidia.com/gpu]=1";
    let tolerates = "Deployment/web: spec.template.spec.tolerations=[{key='gpu',operator='Exists'}]";
    let category = "NodePool/default: spec.template.spec.requirements[1].values=['g']";
    let taint = "NodePool/default: spec.template.spec.taints=[{key='gpu',effect='NoSchedule'}]";
    let sets = [plugin, gpu, tolerates, category, taint];
    let said = |tolerations: &str, selector: &str| told(&with_daemon(tolerations, selector), "N014", &sets);
    let exists = "[{operator: Exists}]";
    assert_eq!(said(exists, "{}"), "");
    let untolerated = said("[]", "{}");
    assert!(
        untolerated.contains("does not tolerate the taint gpu"),
        "{untolerated}"
    );
    let unselected = said(exists, "{nvidia.com/gpu.present: \"true\"}");
    assert!(unselected.contains("nvidia.com/gpu.present"), "{unselected}");
    let selected = said(exists, "{karpenter.k8s.aws/instance-category: g}");
    assert_eq!(selected, "");
}

#[test]
fn startup_taints_need_an_agent() {
    let taint =
        "NodePool/default: spec.template.spec.startupTaints=[{key='agent/not-ready',effect='NoExecute'}]";
    let agent = "application[kube-system/plugin]={startup_taint='agent/not-ready'}";
    assert!(told(HPA, "N021", &[taint]).contains("agent/not-ready"));
    let exists = with_daemon("[{operator: Exists}]", "{}");
    assert!(!codes(&exists, &[taint, agent]).contains("N021"));
    assert!(
        codes(&exists, &[taint]).contains("N021"),
        "nobody says which it is"
    );
    let fearful = with_daemon("[]", "{}");
    assert!(told(&fearful, "N021", &[taint, agent]).contains("does not tolerate"));
    let deployment = "application[shop/web]={startup_taint='agent/not-ready'}";
    assert!(told(HPA, "N021", &[taint, deployment]).contains("no DaemonSet"));
}

#[test]
fn machines_of_both_architectures_and_of_dedicated_tenancy() {
    let arch = |arch: &str| format!("NodePool/default: spec.template.metadata.labels={arch}");
    assert!(codes(HPA, &[&arch("{}")]).contains("N016"));
    assert!(!codes(HPA, &[&arch("{'kubernetes.io/arch'='arm64'}")]).contains("N016"));
    let tenancy = |values: &str| {
        format!(
            "NodePool/default: spec.template.spec.requirements[2]=\
             {{key='karpenter.k8s.aws/instance-tenancy',operator='In',values={values}}}"
        )
    };
    assert!(codes(HPA, &[&tenancy("['dedicated']")]).contains("N020"));
    assert!(!codes(HPA, &[&tenancy("['default','dedicated']")]).contains("N020"));
}

#[test]
fn places_for_pods() {
    let apart = |topology: &str, app: &str| {
        format!(
            "Deployment/web: spec.template.spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution=\
             [{{topologyKey='{topology}',labelSelector={{matchLabels={{app='{app}'}}}}}}]"
        )
    };
    let zones = apart("topology.kubernetes.io/zone", "web");
    assert!(told(HPA, "N017", &[&zones]).contains("of up to 10 replicas only 4 ever run"));
    assert!(!codes(HPA, &[&zones, "HorizontalPodAutoscaler/web: spec.maxReplicas=4"]).contains("N017"));
    assert!(!codes(HPA, &[&apart("topology.kubernetes.io/zone", "other")]).contains("N017"));
    assert!(!codes(HPA, &[&apart("kubernetes.io/hostname", "web")]).contains("N017"));
    let spread = |key: &str, unsatisfiable: &str| {
        format!(
            "Deployment/web: spec.template.spec.topologySpreadConstraints[0]=\
             {{maxSkew=1,topologyKey='{key}',whenUnsatisfiable='{unsatisfiable}'}}"
        )
    };
    assert!(codes(HPA, &[&spread("rack", "DoNotSchedule")]).contains("N018"));
    for (key, unsatisfiable, given) in [
        ("rack", "ScheduleAnyway", "seed=1"),
        ("rack", "DoNotSchedule", "node_group[0].labels.rack='a'"),
        (
            "rack",
            "DoNotSchedule",
            "NodePool/default: spec.template.metadata.labels.rack='a'",
        ),
        ("kubernetes.io/hostname", "DoNotSchedule", "seed=1"),
    ] {
        let said = codes(HPA, &[&spread(key, unsatisfiable), given]);
        assert!(!said.contains("N018"), "{key} {unsatisfiable} {given}");
    }
}

// A node group of 2 vCPU and limits of 3: room for ten pods of half a vCPU.
#[test]
fn limits_below_the_greatest_size() {
    let limit = "NodePool/default: spec.limits.cpu=3";
    let most = |most: i32| format!("HorizontalPodAutoscaler/web: spec.maxReplicas={most}");
    assert!(!codes(HPA, &[limit, &most(10)]).contains("N019"));
    let said = told(HPA, "N019", &[limit, &most(11)]);
    assert!(
        said.contains("up to 11 replicas") && said.contains("room for 10"),
        "{said}"
    );
    let unlimited = "NodePool/default: spec.limits={}";
    assert!(!codes(HPA, &[unlimited, &most(1000)]).contains("N019"));
}

#[test]
fn a_controller_on_machines_of_karpenter() {
    let group = "node_group[0].taints=['only=system:NoSchedule']";
    let image = |image: &str| format!("Deployment/web: spec.template.spec.containers[0].image='{image}'");
    let keda = told(HPA, "N012", &[group, &image("ghcr.io/kedacore/keda:2.20.0")]);
    assert!(
        keda.contains("until Karpenter has launched a machine for it"),
        "{keda}"
    );
    let karpenter = image("public.ecr.aws/karpenter/controller:1.14.0");
    let own = told(HPA, "N012", &[group, &karpenter]);
    assert!(
        own.contains("Karpenter cannot launch the machine that it runs on"),
        "{own}"
    );
    let apart = "Deployment/web: spec.template.spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution=\
                 [{topologyKey='kubernetes.io/hostname',labelSelector={matchLabels={app='web'}}}]";
    let two = "Deployment/web: spec.replicas=2";
    assert!(told(HPA, "N012", &[&karpenter, apart, two]).contains("must not share a machine"));
    assert!(!codes(HPA, &[&karpenter, apart, two, "node_group[0].nodes=2"]).contains("N012"));
    assert!(!codes(HPA, &[&karpenter, two]).contains("N012"));
}

// The node group has 20 GiB, as the NodePool's class where it writes none.
#[test]
fn an_image_needs_room_on_the_disk() {
    let image = |gigabytes: u32| format!("image.\"web:1\"={{compressed='1G',unpacked='{gigabytes}G'}}");
    let class =
        "EC2NodeClass/default: spec.blockDeviceMappings=[{deviceName='/dev/xvda',ebs={volumeSize='60Gi'}}]";
    assert!(!codes(HPA, &[&image(21)]).contains("N023"));
    let said = told(HPA, "N023", &[&image(22)]);
    assert!(
        said.contains("web:1 takes 22.0 GB") && said.contains("the node group system (21.5 GB)"),
        "{said}"
    );
    assert!(said.contains("the NodePool default (21.5 GB)"), "{said}");
    let said = told(HPA, "N023", &[&image(22), class]);
    assert!(!said.contains("NodePool"), "{said}");
}

#[test]
fn namespaces_may_forbid_pods() {
    let namespace = |profile: &str| {
        format!(
            "{HPA}---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, labels: {{pod-security.kubernetes.io/enforce: {profile}}}}}\n"
        )
    };
    assert_eq!(told(&namespace("baseline"), "W011", &[]), "");
    let host = "Deployment/web: spec.template.spec.hostNetwork=true";
    assert!(told(&namespace("baseline"), "W011", &[host]).contains("no hostNetwork"));
    assert_eq!(told(&namespace("privileged"), "W011", &[host]), "");
    let of_pod = "Deployment/web: spec.template.spec.securityContext={runAsNonRoot=true,seccompProfile={type='RuntimeDefault'}}";
    let of_container = "Deployment/web: spec.template.spec.containers[0].securityContext={allowPrivilegeEscalation=false,\
                        capabilities={drop=['ALL']}}";
    let about_web = |sets: &[&str]| {
        let report = super::report(super::SCENARIO, &namespace("restricted"), sets);
        let mut own = report.problems.iter().filter(|problem| problem.code == "W011");
        own.find(|problem| problem.field.starts_with("Deployment/web"))
            .map(|problem| problem.hint.clone())
            .unwrap_or_default()
    };
    assert!(about_web(&[of_pod]).contains("allowPrivilegeEscalation: false"));
    assert!(about_web(&[of_container]).contains("runAsNonRoot: true; seccompProfile"));
    assert_eq!(about_web(&[of_pod, of_container]), "");
}
