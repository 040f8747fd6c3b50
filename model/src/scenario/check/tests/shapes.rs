//! Values of another shape than their field has.

use super::{HPA, SCALED_OBJECT, SCENARIO, report};
use crate::document::Severity;

/// The errors that an override brings, as `CODE field`.
fn errors(scaler: &str, sets: &[&str]) -> Vec<String> {
    let report = report(SCENARIO, scaler, sets);
    let errors = report.problems.iter().filter(|p| p.severity == Severity::Error);
    errors.map(|p| format!("{} {}", p.code, p.field)).collect()
}

#[test]
fn a_text_or_a_list_is_no_mapping_and_is_not_thrown_away() {
    let pod = "spec.template.spec";
    let fields = [
        format!("Deployment/web: {pod}.nodeSelector"),
        format!("Deployment/web: {pod}.resources.limits"),
        format!("Deployment/web: {pod}.containers[0].resources.requests"),
        format!("Deployment/web: {pod}.containers[0].resources.limits"),
        "ScaledObject/web: metadata.annotations".to_owned(),
        "NodePool/default: spec.limits".to_owned(),
        "NodePool/default: spec.template.metadata.labels".to_owned(),
        "NodePool/default: spec.template.metadata.annotations".to_owned(),
        "EC2NodeClass/default: spec.kubelet.kubeReserved".to_owned(),
        "EC2NodeClass/default: spec.kubelet.systemReserved".to_owned(),
        "EC2NodeClass/default: spec.kubelet.evictionHard".to_owned(),
        "EC2NodeClass/default: spec.kubelet.evictionSoft".to_owned(),
        "node_group[0].labels".to_owned(),
    ];
    for field in fields {
        for value in ["[{cpu='4'}]", "many"] {
            let said = errors(SCALED_OBJECT, &[&format!("{field}={value}")]);
            assert_eq!(said, [format!("E003 {field}")], "{value}");
        }
    }
}

#[test]
fn a_text_or_a_mapping_is_no_list_and_is_not_thrown_away() {
    for field in [
        "Deployment/web: spec.template.spec.schedulingGates",
        "Deployment/web: spec.template.spec.containers[0].args",
        "cloud.zones",
        "cloud.deep_pools",
        "node_group[0].taints",
        "node_group[0].zones",
        "proxy.buckets",
    ] {
        for value in ["us-west-2a", "{a='b'}"] {
            let said = errors(HPA, &[&format!("{field}={value}")]);
            assert_eq!(said, [format!("E003 {field}")], "{value}");
        }
    }
}

#[test]
fn ports_have_a_number_or_a_name() {
    let target = "Service/web: spec.ports[0].targetPort";
    for value in ["[80]", "{a='b'}"] {
        let said = errors(HPA, &[&format!("{target}={value}")]);
        assert_eq!(said, ["E003 Service/web: spec.ports[0].targetPort"]);
    }
    let port = "Ingress/web: spec.rules[0].http.paths[0].backend.service.port.name";
    let said = errors(HPA, &[&format!("{port}=http")]);
    assert_eq!(
        said,
        ["E004 Ingress/web: spec.rules[0].http.paths[0].backend.service.port"]
    );
    assert_eq!(errors(HPA, &[&format!("{port}=[http]")]).len(), 1);
}

#[test]
fn a_mapping_is_set_in_the_words_of_a_manifest() {
    for limits in ["{cpu='100'}", "{cpu: 100}", "{\"cpu\":\"100\"}"] {
        let set = format!("NodePool/default: spec.limits={limits}");
        let said = report(SCENARIO, HPA, &[&set]);
        assert_eq!(said.problems, [], "{limits}");
    }
    let said = report(SCENARIO, HPA, &["NodePool/default: spec.limits=null"]);
    let codes: Vec<&str> = said.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["N006"]);
    assert_eq!(
        errors(HPA, &["NodePool/default: spec.limit=null"]),
        ["E011 NodePool/default: spec.limit=null"]
    );
}

#[test]
fn pools_that_are_deep_are_of_types_that_there_are() {
    let deep = |name: &str| errors(HPA, &[&format!("cloud.deep_pools=['{name}']")]);
    assert_eq!(deep("m5.lagre"), ["E009 cloud.deep_pools[0]"]);
    for known in ["m5.large", "m5", "m*"] {
        assert_eq!(deep(known), [""; 0]);
    }
}
