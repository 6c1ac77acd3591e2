//! Policies found by whom they are for, without asking each of them.

use hashbrown::HashMap;

/// Policies in their order, each by a label without which it is for nobody, where it has such a label.
///
/// A cluster has a policy for each workload, and whoever replays what was observed asks for those of a party millions of times.
pub(super) struct ByLabel<P> {
    policies: Vec<P>,
    /// Places of policies, by a key and its value.
    labelled: HashMap<String, HashMap<String, Vec<usize>>>,
    /// Places of the others.
    others: Vec<usize>,
}

impl<P> ByLabel<P> {
    /// Of these; `needed` tells keys and values of which a party must have every one to be a policy's. Of several the one that
    /// the fewest policies need tells most.
    pub(super) fn new(policies: Vec<P>, needed: impl Fn(&P) -> Vec<(String, String)>) -> Self {
        let needed: Vec<Vec<(String, String)>> = policies.iter().map(needed).collect();
        let mut uses: HashMap<&(String, String), usize> = HashMap::new();
        for label in needed.iter().flatten() {
            *uses.entry(label).or_default() += 1;
        }
        let (mut labelled, mut others) = (HashMap::<_, HashMap<_, Vec<usize>>>::new(), Vec::new());
        for (place, labels) in needed.iter().enumerate() {
            match labels.iter().min_by_key(|label| uses[label]) {
                Some((key, value)) => {
                    let values = labelled.entry(key.clone()).or_default();
                    values.entry(value.clone()).or_default().push(place);
                }
                None => others.push(place),
            }
        }
        Self { policies, labelled, others }
    }

    /// Those that may be for whoever has these labels, in their order: no other is for him.
    pub(super) fn of<'p, 'l>(
        &'p self,
        label: impl Fn(&str) -> Option<&'l str>,
    ) -> impl Iterator<Item = &'p P> {
        let met = self.labelled.iter().filter_map(|(key, values)| values.get(label(key)?));
        let mut places: Vec<usize> = met.chain([&self.others]).flatten().copied().collect();
        places.sort_unstable();
        places.into_iter().map(|place| &self.policies[place])
    }

    /// All of them, in their order.
    pub(super) fn all(&self) -> &[P] {
        &self.policies
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_the_labels_gets_his_policies_in_their_order() {
        let policies: Vec<(usize, &str)> =
            ["app=a tier=x", "", "app=b tier=x", "tier=x", "app=a tier=x"].into_iter().enumerate().collect();
        let pairs = |text: &str| -> Vec<(String, String)> {
            let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
            pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
        };
        let index = ByLabel::new(policies, |(_, labels)| pairs(labels));
        for (labels, expected) in [
            ("app=a tier=x", &[0, 1, 3, 4][..]),
            ("app=b tier=x other=1", &[1, 2, 3]),
            ("app=c", &[1]),
            ("", &[1]),
        ] {
            let labels = pairs(labels);
            let label =
                |key: &str| labels.iter().find(|(own, _)| own == key).map(|(_, value)| value.as_str());
            let found: Vec<usize> = index.of(label).map(|(number, _)| *number).collect();
            assert_eq!(found, expected, "{labels:?}");
        }
        assert_eq!(index.all().len(), 5);
    }

    #[test]
    fn a_label_of_all_does_not_hide_one_of_few() {
        let policies: Vec<usize> = (0..100).collect();
        let needed =
            |number: &usize| vec![("all".to_owned(), "x".to_owned()), ("own".to_owned(), number.to_string())];
        let index = ByLabel::new(policies, needed);
        let label = |key: &str| if key == "all" { Some("x") } else { Some("7") };
        assert_eq!(index.of(label).collect::<Vec<_>>(), [&7]);
    }
}
