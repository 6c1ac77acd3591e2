//! Names, as DNS rules and `toFQDNs` select them.

use serde_json::Value;

use crate::enforcer::plain;

pub(super) fn selects_name(selector: &Value, host: &str) -> bool {
    plain::covers(selector, "name", &["matchName", "matchPattern"]);
    let host = bare(host);
    let is_name = plain::text(selector, "matchName").is_some_and(|name| bare(name) == host);
    is_name || plain::text(selector, "matchPattern").is_some_and(|pattern| is_like(&bare(pattern), &host))
}

/// Case is of no matter, and neither is the dot at the end.
fn bare(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// `*` alone is every name, `**.` before a pattern any number of labels, and any other `*` some characters of one label.
fn is_like(pattern: &str, name: &str) -> bool {
    let rest = pattern.trim_start_matches('*');
    let stars = pattern.len() - rest.len();
    match rest.strip_prefix('.') {
        _ if rest.is_empty() => true,
        Some(rest) if stars > 1 => {
            name.match_indices('.').any(|(dot, _)| dot > 0 && is_spelt(rest, &name[dot + 1..]))
        }
        _ => is_spelt(pattern, name),
    }
}

fn is_spelt(pattern: &str, name: &str) -> bool {
    let Some(first) = pattern.chars().next() else { return name.is_empty() };
    let after = &pattern[first.len_utf8()..];
    if first == '*' {
        let label = name.split('.').next().unwrap_or_default();
        return (0..=label.len()).any(|taken| is_spelt(after, &name[taken..]));
    }
    name.strip_prefix(first).is_some_and(|name| is_spelt(after, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// layer3.rst, "DNS based", and the description of `matchPattern` in the CRD.
    #[test]
    fn patterns_are_like_those_of_the_guide() {
        for (pattern, names, others) in [
            (
                "*.cilium.io",
                &["sub.cilium.io", "WWW.cilium.io."][..],
                &["cilium.io", "sub.sub.cilium.io", "google.com"][..],
            ),
            ("*cilium.io", &["cilium.io", "subcilium.io", "sub-cilium.io"], &["www.cilium.io", "google.com"]),
            ("sub*.cilium.io", &["sub.cilium.io", "subdomain.cilium.io"], &["www.cilium.io", "cilium.io"]),
            ("part*ial.com", &["partial.com", "part-extra-ial.com"], &["part.extra-ial.com"]),
            ("**.cilium.io", &["app.cilium.io", "test.app.cilium.io"], &["cilium.io", "notcilium.io"]),
            ("*", &["cilium.io", "a.b.c"], &[]),
            ("*.example.com", &["*.example.com"], &["*.a.example.com"]),
        ] {
            let selector = serde_json::json!({"matchPattern": pattern});
            names.iter().for_each(|name| assert!(selects_name(&selector, name), "{pattern} {name}"));
            others.iter().for_each(|name| assert!(!selects_name(&selector, name), "{pattern} {name}"));
        }
    }

    #[test]
    fn a_name_is_one_name() {
        let selector = serde_json::json!({"matchName": "Cilium.io"});
        assert!(selects_name(&selector, "cilium.io.") && !selects_name(&selector, "sub.cilium.io"));
    }
}
