//! Which labels name a workload's pods, and go on doing so.

use std::collections::BTreeMap;

/// A pod's or namespace's labels.
pub type Labels = BTreeMap<String, String>;

/// Labels that a controller, a mesh or a chart gives to each pod or release by itself (kubernetes.io's lists of well-known and
/// of recommended labels).
const PASSING: [&str; 20] = [
    "app.kubernetes.io/version",
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-completion-index",
    "batch.kubernetes.io/job-name",
    "controller-revision-hash",
    "controller-uid",
    "helm.sh/chart",
    "job-name",
    "pod-template-generation",
    "pod-template-hash",
    "rollouts-pod-template-hash",
    "service.istio.io/canonical-revision",
    "serving.knative.dev/configurationGeneration",
    "serving.knative.dev/revision",
    "serving.knative.dev/revisionUID",
    "statefulset.kubernetes.io/pod-name",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "version",
];

/// Labels that say what a workload is, in the order in which people select by them.
const TELLING: [&str; 8] = [
    "app.kubernetes.io/name",
    "app.kubernetes.io/component",
    "app.kubernetes.io/instance",
    "app",
    "k8s-app",
    "component",
    "name",
    "tier",
];

/// Whether a label stays when a pod is replaced, or its template is changed.
fn is_stable(key: &str) -> bool {
    !PASSING.contains(&key)
}

/// The fewest labels that all of `pods` carry and none of `others` does, as far as labels can tell them apart; nothing
/// where these pods have no stable label in common.
pub(super) fn telling<'a>(
    pods: impl IntoIterator<Item = &'a Labels>,
    others: impl IntoIterator<Item = &'a Labels>,
) -> Labels {
    let mut pods = pods.into_iter();
    let mut common: Labels = pods.next().cloned().unwrap_or_default();
    common.retain(|key, _| is_stable(key));
    for pod in pods {
        common.retain(|key, value| pod.get(key) == Some(value));
    }
    let mut strangers: Vec<&Labels> = others.into_iter().collect();
    let mut chosen = Labels::new();
    let told = TELLING.iter().filter_map(|key| common.get_key_value(*key));
    let rest = common.iter().filter(|(key, _)| !TELLING.contains(&key.as_str()));
    for (key, value) in told.chain(rest) {
        let known = strangers.len();
        strangers.retain(|other| other.get(key) == Some(value));
        if chosen.is_empty() || strangers.len() < known {
            chosen.insert(key.clone(), value.clone());
        }
        if strangers.is_empty() {
            break;
        }
    }
    chosen
}

/// Whether `labels` has all of `wanted`.
#[must_use]
pub fn carries(labels: &Labels, wanted: &Labels) -> bool {
    wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Labels {
        let pair = |pair: &str| pair.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
        text.split_whitespace().filter_map(pair).collect()
    }

    #[test]
    fn the_fewest_labels_that_tell_a_workload_from_others_are_chosen() {
        for (pods, others, chosen) in [
            // One is enough.
            (
                &["app=web pod-template-hash=1 track=stable", "app=web pod-template-hash=2"][..],
                &["app=db"][..],
                "app=web",
            ),
            // One that helps nobody is left out.
            (
                &["app=web component=front tier=x"],
                &["app=web component=back tier=x"],
                "app=web component=front",
            ),
            // The recommended ones go first.
            (&["app=a app.kubernetes.io/name=web"], &["app=b"], "app.kubernetes.io/name=web"),
            // One that nobody recommends is better than a stranger.
            (&["app=web colour=blue"], &["app=web colour=green"], "app=web colour=blue"),
            // Nothing tells them apart.
            (&["app=web"], &["app=web", "app=db"], "app=web"),
            // Nothing stays.
            (&["pod-template-hash=1"], &[], ""),
            (&["app=one", "app=other"], &[], ""),
        ] {
            let (pods, others) =
                [pods, others].map(|all| all.iter().map(|one| labels(one)).collect::<Vec<_>>()).into();
            assert_eq!(telling(&pods, &others), labels(chosen));
        }
    }
}
