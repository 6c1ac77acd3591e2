//! What one column's header says, by its words: English ones, and those of German, French, Spanish and Italian tables.

use super::application::transport;
use super::columns::Role;
use super::refusals::REFUSING;
use super::text::{is_one_of, words};
use crate::event::Protocol;

/// What a header may mean, and how plainly it says so: of two columns for the same thing the plainer one is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) role: Role,
    pub(super) rank: Rank,
}

/// How plainly, the plainest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// "Source IP".
    Exact,
    /// "Client".
    Synonym,
    /// "Source (old)", "Destination in production".
    Qualified,
    /// "Source zone": tells an end where nothing else does.
    Place,
}

const SOURCE: &str = "source sources src from srcaddr srcip saddr sourceip sourceaddress quelle quellen quellsystem von \
                      origen desde sorgente origine quell";
const SOURCE_SYNONYMS: &str = "client clients initiator originator origin connecting consumer";
const DESTINATION: &str = "destination destinations dest dst to dstaddr dstip daddr destip destinationip \
                           destinationaddress ziel ziele zielsystem nach destino destinazione vers hacia";
const DESTINATION_SYNONYMS: &str = "target targets server listener listening responder provider";
/// Words beside them that change nothing.
const FILLERS: &str = "ip ips ipv4 ipv6 address addresses host hosts hostname name names vm vms system systems node nodes \
                       endpoint endpoints component components cluster clusters network networks cidr service services \
                       application app server servers s es group security fqdn object objects machine device devices role \
                       pod the of";
/// Words that make something else of it: when, who asked, what it runs.
const NEVER: &str = "user users username date day time version versions owner owners team valid ticket request requester mac type contact \
                     country os count notes description comment comments nat translated tag tags priority release \
                     department manager criticality format";
const PLACES: &str = "zone zones interface interfaces intf srcintf dstintf vlan environment env region site location \
                      segment datacenter tier vpc account project vrf";
const ACTIONS: &str = "action allow allowed permit permitted verdict decision aktion erlaubt zugelassen autorisé \
                       permitido azione status enabled permission open approved access accept freigabe freigegeben";
/// A rule that sleeps, or that is about everybody but those whom it names.
const TURNS: &str = "disabled closed negate negated";
const OPTIONAL: &str = "optional optionnel facultatif opcional opzionale";
const EXPECTATIONS: &str = "required require requirement mandatory expect expected needed erforderlich pflicht benötigt \
                            obligatoire requis obligatorio requerido";
/// Words in headers of boxes to be ticked.
const BOXES: &str = "or is the flow rule traffic firewall fw y n yes no m o r";
const PURPOSES: &str = "purpose description usage use reason why comment comments remarks justification zweck \
                        beschreibung objet motif descripción propósito descrizione scopo kommentar";
const COMPONENTS: &str = "component product feature module";
const APPLICATIONS: &str = "app application service services svc l7 dienst";
const HOSTS: &str =
    "host hosts hostname vm vms system systems node nodes cluster machine device role group pod";
const FLOWS: &str = "flow flows communication connection connections path traffic connectivity";

/// What a header says.
pub(super) fn claim(cell: &str) -> Claim {
    /// Longer cells are no headers.
    const LONGEST: usize = 200;
    if cell.len() > LONGEST {
        return Claim { role: Role::Other, rank: Rank::Exact };
    }
    let words = words(cell);
    let has = |list: &str| words.iter().any(|word| is_one_of(word, list));
    let only = |lists: &[&str]| {
        !words.is_empty() && words.iter().all(|word| lists.iter().any(|list| is_one_of(word, list)))
    };
    let is = |text: &str| words.iter().eq(text.split(' '));
    let exact = |role| Claim { role, rank: Rank::Exact };
    if let Some(claim) = port(&words) {
        return claim;
    }
    match protocols(&words).as_deref() {
        Some([transport]) => return exact(Role::PortsOf(*transport)),
        Some(_) => return exact(Role::Transport),
        None => {}
    }
    let is_source = has(SOURCE) || has(SOURCE_SYNONYMS) || is("used by");
    let is_destination = has(DESTINATION) || has(DESTINATION_SYNONYMS);
    match () {
        () if has("mask netmask wildcard") => exact(Role::Second),
        () if has(ACTIONS) && only(&[ACTIONS, REFUSING, BOXES]) => exact(Role::Action),
        () if has(REFUSING) && only(&[REFUSING, BOXES]) => exact(Role::Denial),
        () if has(TURNS) && only(&[TURNS, BOXES, "source destination service"]) => exact(Role::Turn),
        () if has(EXPECTATIONS) && only(&[EXPECTATIONS, OPTIONAL, BOXES]) => exact(Role::Expect),
        () if has(OPTIONAL) && only(&[OPTIONAL, BOXES]) => exact(Role::Optional),
        () if has("peer remote") => Claim { role: Role::Peer, rank: Rank::Synonym },
        () if has(NEVER)
            && (is_source || is_destination || has(PROTOCOLS) || has(COMPONENTS) || has(APPLICATIONS)) =>
        {
            exact(Role::Other)
        }
        () if has("direction dir bidirectional richtung sens sentido") => exact(Role::Direction),
        () if has(PROTOCOLS) => exact(protocol(&has)),
        () if has("initiated initiates") => exact(Role::Other),
        () if has(SOURCE) && has(DESTINATION) => exact(Role::Peer),
        () if is_source && (has(SOURCE) || !has(DESTINATION)) => {
            end(Role::From, &words, [SOURCE, SOURCE_SYNONYMS])
        }
        () if is_destination => end(Role::To, &words, [DESTINATION, DESTINATION_SYNONYMS]),
        () if has(PURPOSES) => exact(Role::Purpose),
        () if is("id") || is("row id") || is("rule id") => exact(Role::Id),
        () if has(COMPONENTS) || is("external service") => exact(Role::Component),
        () if has(APPLICATIONS) => exact(Role::App),
        // "Name" alone may be that of the service.
        () if has(HOSTS) && only(&[FILLERS]) => Claim { role: Role::Host, rank: Rank::Place },
        () if only(&[FLOWS]) => Claim { role: Role::Peer, rank: Rank::Place },
        () if has("notes note details function bemerkung bemerkungen") => {
            Claim { role: Role::Purpose, rank: Rank::Synonym }
        }
        () => exact(Role::Other),
    }
}

/// Whether a word means a port: also "Zielport" and "dstport".
fn is_port(word: &str) -> bool {
    const OTHERS: &str =
        "transport transports support report reports export import passport viewport airport";
    let ends = word.ends_with("port") || word.ends_with("ports");
    (ends && !is_one_of(word, OTHERS)) || is_one_of(word, "puerto puertos porta porte portnummer portnummern")
}

/// What a header with a port in it says.
fn port(words: &[String]) -> Option<Claim> {
    if !words.iter().any(|word| is_port(word)) {
        return None;
    }
    let has = |list: &str| words.iter().any(|word| is_one_of(word, list));
    // "Quellports", "sport"
    let stem = |word: &String| word.strip_suffix("ports").or(word.strip_suffix("port")).map(str::to_owned);
    let is_of_source = |stem: &String| {
        is_one_of(stem, SOURCE) || is_one_of(stem, SOURCE_SYNONYMS) || is_one_of(stem, "s quell")
    };
    let is_source =
        has(SOURCE) || has(SOURCE_SYNONYMS) || words.iter().filter_map(stem).any(|stem| is_of_source(&stem));
    let is_destination = has(DESTINATION) || has(DESTINATION_SYNONYMS);
    let is_pair = words.len() == 2;
    let transports = protocols(words).unwrap_or_default();
    let (role, rank) = match transports.as_slice() {
        _ if is_pair && has("from start first begin low lowest min") => (Role::FirstPort, Rank::Exact),
        _ if is_pair && has("to end last high highest max") => (Role::LastPort, Rank::Exact),
        _ if is_source && !is_destination => (Role::Other, Rank::Exact),
        _ if has("name description type count usage owner purpose") => (Role::Other, Rank::Exact),
        [transport] => (Role::PortsOf(*transport), Rank::Exact),
        _ if has("old new alternative alternate alt secure secondary backup external tls ssl") => {
            (Role::Ports, Rank::Qualified)
        }
        _ => (Role::Ports, Rank::Exact),
    };
    Some(Claim { role, rank })
}

/// The transports, where the words name nothing else but ports.
fn protocols(words: &[String]) -> Option<Vec<Protocol>> {
    let others = words.iter().filter(|word| !is_port(word) && !is_one_of(word, "or and s number numbers"));
    let transports: Option<Vec<Protocol>> = others.map(|word| transport(word)).collect();
    transports.filter(|transports| !transports.is_empty())
}

const PROTOCOLS: &str = "protocol protocols proto prot transport layer l4 l7 protokoll protokolle protocole protocoles \
                         protocolo protocollo";

fn protocol(has: &impl Fn(&str) -> bool) -> Role {
    match () {
        () if has("app application l7 7") => Role::App,
        () if has("transport l4 4") => Role::Transport,
        () => Role::Protocol,
    }
}

fn end(role: Role, words: &[String], [plain, synonyms]: [&str; 2]) -> Claim {
    let has = |list: &str| words.iter().any(|word| is_one_of(word, list));
    let fills = |word: &String| [plain, synonyms, FILLERS].iter().any(|list| is_one_of(word, list));
    let rank = match () {
        () if has(PLACES) => Rank::Place,
        () if !words.iter().all(fills) => Rank::Qualified,
        () if has(plain) => Rank::Exact,
        () => Rank::Synonym,
    };
    Claim { role, rank }
}
