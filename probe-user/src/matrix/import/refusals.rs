//! Words by which documents deny a flow, end it, or keep it within a machine.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

/// What refuses a flow, wherever it stands alone in a cell.
pub(super) const REFUSING: &str = "deny denied block blocked drop dropped reject rejected forbidden prohibited never ✗ ❌ \
                        verbieten verboten sperren gesperrt blockieren blockiert ablehnen abgelehnt untersagt refuser refusé \
                        interdit bloqué denegar denegado bloquear";
/// What takes a rule away.
pub(super) const REMOVING: &str =
    "delete deleted remove removed revoke revoked decommission decommissioned close closed disabled retired";

const TURNING: [&str; 63] = [
    "deprecated",
    "obsolete",
    "no longer",
    "struck out",
    "removed in",
    "not used",
    "unused",
    "not needed",
    "not required",
    "not allowed",
    "not permitted",
    "not supported",
    "be closed",
    "be denied",
    "be disabled",
    "be removed",
    "be deleted",
    "must block",
    "should block",
    "do not open",
    "do not allow",
    "don't open",
    "denied",
    "deny",
    "forbidden",
    "prohibited",
    "decommissioned",
    "discontinued",
    "retired",
    "blocked by default",
    "disabled by default",
    "localhost only",
    "only localhost",
    "loopback only",
    "local only",
    "same host",
    "same machine",
    "same node",
    "only udp",
    "only tcp",
    "not open",
    "must not be open",
    "must not be allowed",
    "must not be reachable",
    "must not connect",
    "must be blocked",
    "should be blocked",
    "to be blocked",
    "will be blocked",
    "is blocked",
    "are blocked",
    "do not use",
    "never open",
    "never allow",
    "nicht mehr",
    "gesperrt",
    "verboten",
    "nicht erlaubt",
    "nicht freigegeben",
    "veraltet",
    "entfällt",
    "interdit",
    "plus utilisé",
];

/// The words of a text that turn what its table declares: the flow is gone, refused, or stays within a machine.
pub(super) fn turn(text: &str) -> Option<&'static str> {
    static WORDS: LazyLock<Words> = LazyLock::new(|| Words::new(&TURNING));
    WORDS.first(text)
}

const REFUSED: [&str; 9] =
    ["blocked", "removed", "closed", "rejected", "disabled", "dropped", "refused", "old", "example"];

/// What a heading says against the rows below it.
pub(super) fn of_heading(heading: &str) -> Option<String> {
    static WORDS: LazyLock<Words> = LazyLock::new(|| Words::new(&REFUSED));
    let found = turn(heading).or_else(|| WORDS.first(heading));
    found.map(|words| format!("the heading `{heading}` says `{words}`"))
}

/// Words that are looked for all at once.
struct Words {
    search: AhoCorasick,
    words: &'static [&'static str],
}

impl Words {
    fn new(words: &'static [&'static str]) -> Self {
        let search = AhoCorasick::builder().ascii_case_insensitive(true).build(words);
        Self { search: search.expect("so few words fit into an automaton"), words }
    }

    /// The first that stands in a text by itself: "denied" does not stand in "undenied".
    fn first(&self, text: &str) -> Option<&'static str> {
        let is_apart = |letter: Option<char>| letter.is_none_or(|letter| !letter.is_alphanumeric());
        let found = self.search.find_overlapping_iter(text).find(|found| {
            is_apart(text[..found.start()].chars().next_back())
                && is_apart(text[found.end()..].chars().next())
        });
        found.and_then(|found| self.words.get(found.pattern().as_usize()).copied())
    }
}
