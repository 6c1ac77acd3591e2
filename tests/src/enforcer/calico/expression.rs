//! Selectors: a recursive descent by the table of operators of the reference (`_selectors.mdx`), which judges as it reads.

use super::resources::Set;

/// Whose labels a selector speaks of, and so what `all()` and `global()` are there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Those of the resource itself.
    Own,
    /// Those of its namespace, in a rule: "the `global()` operator can be used (only) in a `namespaceSelector`".
    Namespace,
    /// Those of its namespace, where a policy says whom it is for.
    NamespaceOfPolicy,
}

/// Whether a selector selects an endpoint or a network set.
///
/// # Panics
///
/// Where it is none.
pub(super) fn is_selected(text: &str, scope: Scope, set: &Set) -> bool {
    let mut reader = Reader { rest: text.trim_start(), scope, set };
    let is_selected = reader.either();
    assert!(reader.rest.is_empty(), "not covered: {text:?}, from {:?}", reader.rest);
    is_selected
}

struct Reader<'r> {
    rest: &'r str,
    scope: Scope,
    set: &'r Set,
}

impl<'r> Reader<'r> {
    /// Takes a token, and the blanks behind it.
    fn takes(&mut self, token: &str) -> bool {
        let after = self.rest.strip_prefix(token);
        self.rest = after.map_or(self.rest, str::trim_start);
        after.is_some()
    }

    fn wants(&mut self, token: &str) {
        assert!(self.takes(token), "not covered: {token:?} is missing before {:?}", self.rest);
    }

    /// "Lowest: disjunction with `||`." Both sides are read, whatever the first says.
    fn either(&mut self) -> bool {
        let mut holds = self.both();
        while self.takes("||") {
            holds |= self.both();
        }
        holds
    }

    fn both(&mut self) -> bool {
        let mut holds = self.negated();
        while self.takes("&&") {
            holds &= self.negated();
        }
        holds
    }

    fn negated(&mut self) -> bool {
        if self.takes("!") { !self.negated() } else { self.single() }
    }

    fn single(&mut self) -> bool {
        if self.takes("(") {
            let holds = self.either();
            self.wants(")");
            holds
        } else if self.takes("all(") {
            self.wants(")");
            self.scope == Scope::Own || self.set.namespace.is_some()
        } else if self.takes("global(") {
            self.wants(")");
            assert!(
                self.scope == Scope::Namespace,
                "not covered: global() elsewhere than in a rule's namespaceSelector"
            );
            self.set.namespace.is_none()
        } else if self.takes("has(") {
            let label = self.label();
            self.wants(")");
            self.value(label).is_some()
        } else {
            let label = self.label();
            self.compared(label)
        }
    }

    /// Without the label, only what is negated holds.
    fn compared(&mut self, label: &str) -> bool {
        let value = self.value(label);
        if self.takes("==") {
            let wanted = self.literal();
            value == Some(wanted)
        } else if self.takes("!=") {
            let other = self.literal();
            value != Some(other)
        } else if self.takes("contains") {
            let part = self.literal();
            value.is_some_and(|value| value.contains(part))
        } else if self.takes("starts") {
            self.wants("with");
            let part = self.literal();
            value.is_some_and(|value| value.starts_with(part))
        } else if self.takes("ends") {
            self.wants("with");
            let part = self.literal();
            value.is_some_and(|value| value.ends_with(part))
        } else if self.takes("not") {
            self.wants("in");
            let values = self.values();
            value.is_none_or(|value| !values.contains(&value))
        } else {
            self.wants("in");
            let values = self.values();
            value.is_some_and(|value| values.contains(&value))
        }
    }

    fn value(&self, label: &str) -> Option<&'r str> {
        assert!(label != "projectcalico.org/serviceaccount", "not covered: {label}");
        let labels =
            if self.scope == Scope::Own { Some(&self.set.labels) } else { self.set.namespace.as_ref() };
        labels?.get(label).map(String::as_str)
    }

    fn label(&mut self) -> &'r str {
        let is_of_name = |one: char| one.is_ascii_alphanumeric() || "_./-".contains(one);
        let end = self.rest.find(|one| !is_of_name(one)).unwrap_or(self.rest.len());
        let (label, rest) = self.rest.split_at(end);
        assert!(!label.is_empty(), "not covered: a label is missing before {rest:?}");
        self.rest = rest.trim_start();
        label
    }

    fn literal(&mut self) -> &'r str {
        let quote = self.rest.chars().next().filter(|one| "'\"".contains(*one)).expect("a value is quoted");
        let (value, rest) = self.rest[1..].split_once(quote).expect("a value ends");
        self.rest = rest.trim_start();
        value
    }

    fn values(&mut self) -> Vec<&'r str> {
        let mut values = Vec::new();
        self.wants("{");
        while !self.takes("}") {
            values.push(self.literal());
            self.takes(",");
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(labels: &str, namespace: Option<&str>) -> Set {
        let pairs = |text: &str| {
            let pair =
                |pair: &str| pair.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
            text.split_whitespace().filter_map(pair).collect()
        };
        Set { labels: pairs(labels), namespace: namespace.map(pairs), nets: Vec::new() }
    }

    /// The table of operators.
    #[test]
    fn operators_mean_what_the_table_says() {
        for (text, with, without) in [
            ("all()", true, true),
            ("!all()", false, false),
            ("k == 'v'", true, false),
            ("k == \"v\"", true, false),
            ("k=='v'", true, false),
            ("k != 'v'", false, true),
            ("k != 'w'", true, true),
            ("has(k)", true, false),
            ("!has(k)", false, true),
            ("! ! has( k )", true, false),
            ("k in { 'v', 'w' }", true, false),
            ("k in {'w'}", false, false),
            ("k not in { 'v', 'w' }", false, true),
            ("k not in {}", true, true),
            ("k contains 'v'", true, false),
            ("k starts with 'v'", true, false),
            ("k ends with 'w'", false, false),
            ("(k == 'v')", true, false),
            ("in in {'x'} || k in {'v'}", true, false),
        ] {
            assert_eq!(is_selected(text, Scope::Own, &set("k=v", None)), with, "{text}");
            assert_eq!(is_selected(text, Scope::Own, &set("other=v", None)), without, "{text}");
        }
    }

    /// "! has(my-label) || my-label starts with 'prod' && role in {'frontend','business'}".
    #[test]
    fn operators_bind_as_the_example_says() {
        let text = "! has(my-label) || my-label starts with 'prod' && role in {'frontend','business'}";
        for (labels, expected) in [
            ("role=other", true),
            ("my-label=production role=frontend", true),
            ("my-label=production role=business", true),
            ("my-label=production role=other", false),
            ("my-label=test role=frontend", false),
        ] {
            assert_eq!(is_selected(text, Scope::Own, &set(labels, None)), expected, "{labels}");
        }
        let grouped = "(! has(my-label) || my-label starts with 'prod') && role in {'frontend','business'}";
        assert!(!is_selected(grouped, Scope::Own, &set("role=other", None)));
    }

    /// `_selector-scopes.mdx`.
    #[test]
    fn in_a_namespace_selector_all_is_what_has_a_namespace() {
        let (inside, outside) = (set("k=v", Some("shape=circle")), set("shape=circle", None));
        for (text, of_inside, of_outside) in [
            ("all()", true, false),
            ("global()", false, true),
            ("shape == 'circle'", true, false),
            ("k == 'v'", false, false),
            ("global() || shape == 'circle'", true, true),
        ] {
            assert_eq!(is_selected(text, Scope::Namespace, &inside), of_inside, "{text}");
            assert_eq!(is_selected(text, Scope::Namespace, &outside), of_outside, "{text}");
        }
    }

    #[test]
    #[should_panic(expected = "not covered")]
    fn what_is_no_selector_is_refused() {
        is_selected("k == 'v' k", Scope::Own, &set("k=v", None));
    }
}
