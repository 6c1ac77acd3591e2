//! Exceptions: flows that somebody answers for.

use super::{
    Case,
    join::{Observation, ObservedEnd},
};
use crate::matrix::Exception;

/// The exception that covers an observation, and whether it had expired by its last fact. One that holds goes
/// before one that does not.
pub(super) fn covering(case: &Case<'_>, observation: &Observation<'_>) -> Option<(usize, bool)> {
    let exceptions = &case.exceptions?.exceptions;
    let (_, last) = observation.seen();
    let covers = |exception: &Exception| {
        let mut tuples = observation.ends().flat_map(ObservedEnd::tuples);
        tuples.any(|tuple| case.rows().exempts(exception, &tuple))
    };
    let covering = exceptions.iter().enumerate().filter(|(_, exception)| covers(exception));
    let first = covering.map(|(index, exception)| (exception.expired(last), index)).min();
    first.map(|(expired, index)| (index, expired))
}
