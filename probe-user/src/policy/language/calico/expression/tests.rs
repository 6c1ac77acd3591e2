use super::*;

struct Thing(Labels);

impl Labelled for Thing {
    fn label(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn is_among_all(&self) -> bool {
        true
    }

    fn is_global(&self) -> bool {
        self.0.is_empty()
    }
}

fn thing(pairs: &[(&str, &str)]) -> Thing {
    Thing(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
}

#[test]
fn expressions_hold_as_the_reference_says() {
    let web = thing(&[("app", "web"), ("tier", "front-end"), ("a.b/c_d-e", "")]);
    for (text, holds) in [
        ("", true),
        ("  \t", true),
        ("all()", true),
        ("all( )", true),
        ("global()", false),
        ("app == 'web'", true),
        ("app==\"web\"", true),
        ("app == 'we'", false),
        ("app != 'web'", false),
        ("app != 'db'", true),
        ("colour != 'blue'", true),
        ("colour == ''", false),
        ("a.b/c_d-e == ''", true),
        ("has(app)", true),
        ("has( colour )", false),
        ("!has(colour)", true),
        ("! has(app)", false),
        ("!!has(app)", true),
        ("app in {'web', \"db\"}", true),
        ("app in{'db'}", false),
        ("app in {}", false),
        ("app in {'web',}", true),
        ("app not in {'web'}", false),
        ("app notin {'db'}", true),
        ("colour not in {'blue'}", true),
        ("colour in {'blue'}", false),
        ("tier contains 'ont-e'", true),
        ("tier contains 'back'", false),
        ("colour contains ''", false),
        ("tier starts with 'front'", true),
        ("tier starts with 'end'", false),
        ("tier ends with 'end'", true),
        ("tier endswith 'front'", false),
        // `&&` binds more than `||`, `!` more than both.
        ("app == 'web' || app == 'db' && app == 'x'", true),
        ("(app == 'web' || app == 'db') && app == 'x'", false),
        ("app == 'x' && app == 'db' || has(tier)", true),
        ("!app == 'x' && has(colour)", false),
        ("!(app == 'x' && has(colour))", true),
        ("app == 'web' && has(tier) && tier != 'x'", true),
        // A string ends where it began, and the other mark is a letter.
        ("app == \"it's\" || app == 'say \"web\"' || has(app)", true),
        // Keys that begin as functions and operators do.
        ("all == 'x' || has != 'x'", true),
        ("global.a != 'x' && in != 'x' && not != 'x'", true),
    ] {
        let expression = Expression::read(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        assert_eq!(expression.holds(&web), holds, "{text}");
    }
    assert!(Expression::read("global()").expect("it is one").holds(&thing(&[])));
}

#[test]
fn what_is_no_expression_is_told_with_its_place() {
    for (text, told) in [
        ("app = 'web'", "character 5: found `=`, expected `==`, `!=`, `in`"),
        ("app", "character 4: found the end, expected `==`"),
        ("app == web", "character 8: found `web`, expected a string in quotation marks"),
        ("app == 'web", "character 12: found the end, expected the quotation mark"),
        ("app == 'web' app == 'db'", "character 14: found `app`, expected `&&`, `||` or the end"),
        ("app == 'web' & has(x)", "character 14: found `&`, expected `&&`, `||` or the end"),
        ("(app == 'web'", "character 14: found the end, expected `&&`, `||` or `)`"),
        ("app == 'web')", "character 13: found `)`, expected `&&`"),
        ("app == 'web' &&", "character 16: found the end, expected the key of a label, has(…)"),
        ("'web' == app", "character 1: found `'`, expected the key of a label"),
        ("has(", "character 5: found the end, expected the key of a label"),
        ("has(a b)", "character 7: found `b`, expected `)`"),
        ("all(x)", "character 5: found `x`, expected `)`"),
        ("app not 'web'", "character 9: found `'`, expected `in`"),
        ("app in ['web']", "character 8: found `[`, expected `{`"),
        ("app in {'web' 'db'}", "character 15: found `'`, expected `,` or `}`"),
        ("app in {web}", "character 9: found `web`, expected a string"),
        ("app starts 'web'", "character 12: found `'`, expected `with`"),
        // Places are those of letters, not of bytes.
        ("a == 'käse' x", "character 13: found `x`"),
        ("a == 'b'\n", "character 9: found `\n`, expected `&&`"),
    ] {
        let fault = Expression::read(text).expect_err(text).to_string();
        assert!(fault.starts_with(told), "{text}: {fault}");
    }
    let within = |times: usize| format!("{}all(){}", "(".repeat(times), ")".repeat(times));
    assert_eq!(Expression::read(&within(64)), Ok(Expression::All));
    let fault = Expression::read(&within(100_000)).expect_err("nobody's").to_string();
    assert!(fault.starts_with("character 66: found `(`, expected no more than 64 parentheses"), "{fault}");
    let long = "k".repeat(513);
    assert!(Expression::read(&format!("has({long})")).is_err());
    assert!(Expression::read(&format!("has({})", &long[1..])).is_ok());
}

#[test]
fn what_carries_labels_is_written_as_it_is_read_or_not_at_all() {
    for (pairs, written) in [
        (&[("app", "web")][..], Some("app == 'web'")),
        (&[("a", "1"), ("b.c/d", "")], Some("a == '1' && b.c/d == ''")),
        (&[("a", "it's")], Some("a == \"it's\"")),
        (&[("a", "' || has(\"x")], None),
        (&[("a b", "c")], None),
        (&[("", "c")], None),
        // Of no label at all it would select everything.
        (&[], None),
    ] {
        let labels = thing(pairs).0;
        assert_eq!(carrying(&labels).as_deref(), written);
        if let Some(written) = written {
            let expression = Expression::read(written).expect("it is one");
            assert!(expression.holds(&Thing(labels)) && !expression.holds(&thing(&[("z", "")])));
        }
    }
}

/// An index finds a policy by what its expression needs: whoever it selects must have that.
#[test]
fn whoever_is_selected_has_what_is_needed() {
    let values = ["", "x", "y"];
    let labels = || values.iter().flat_map(|a| values.iter().map(move |b| [("a", *a), ("b", *b)]));
    for (text, count) in [
        ("a == 'x'", 1),
        ("a == 'x' && b == 'y'", 2),
        ("(a == 'x' && b == 'y') && has(a)", 2),
        ("a == 'x' || b == 'y'", 0),
        ("a == 'x' && (b == 'x' || b == 'y')", 1),
        ("!a == 'x'", 0),
        ("!(a == 'x' && b == 'y')", 0),
        ("a != 'x' && b == 'y'", 1),
        ("a in {'x'}", 0),
        ("a not in {'x'} && has(b)", 0),
        ("a starts with 'x' && a contains 'x' && a ends with 'x'", 0),
        ("all()", 0),
        ("global()", 0),
    ] {
        let expression = Expression::read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let needed = expression.needed();
        assert_eq!(needed.len(), count, "{text}");
        for pairs in labels() {
            let pairs: Vec<(&str, &str)> = pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect();
            let thing = thing(&pairs);
            let has = |(key, value): &(String, String)| thing.label(key) == Some(value);
            assert!(!expression.holds(&thing) || needed.iter().all(has), "{text} {pairs:?}");
        }
    }
}
