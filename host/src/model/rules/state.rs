//! States and statuses: numbers that are unique, and transitions that lead somewhere.

use crate::model::error::Result;
use crate::model::{EntityDefinition, StateDefinition, StatusDefinition};

use super::{invalid, repeated};

/// An error if the states break a rule.
pub(super) fn check(definition: &EntityDefinition) -> Result<()> {
    let entity = &definition.logical_name;
    let states: Vec<i32> = definition.states.iter().map(|state| state.value).collect();
    let statuses: Vec<i32> = definition.statuses().map(|status| status.value).collect();
    if let Some(value) = repeated(&states) {
        return Err(invalid(format!("the state {value} of `{entity}` is there twice; remove one")));
    }
    if let Some(value) = repeated(&statuses) {
        return Err(invalid(format!(
            "the status {value} of `{entity}` is there twice; a status belongs to one state, so give the other another \
             number"
        )));
    }
    if let Some(state) = definition.states.iter().find(|state| state.statuses.is_empty()) {
        return Err(invalid(format!(
            "the state {} (`{}`) of `{entity}` has no status; give it at least one",
            state.value, state.name
        )));
    }
    for status in definition.statuses() {
        let mut next = status.next.iter().flatten();
        if let Some(unknown) = next.find(|next| !statuses.contains(next)) {
            return Err(invalid(format!(
                "the status {} (`{}`) of `{entity}` may be followed by {unknown}, which is no status of it; there are \
                 {statuses:?}",
                status.value, status.name
            )));
        }
    }
    Ok(())
}

/// Adds the states and statuses that are new, and what may follow those that are there. Names are labels: the new ones
/// count.
pub(super) fn merge(definition: &mut EntityDefinition, next: &[StateDefinition]) -> Result<()> {
    let entity = definition.logical_name.clone();
    for state in next {
        match definition.states.iter_mut().find(|existing| existing.value == state.value) {
            None => definition.states.push(state.clone()),
            Some(existing) => {
                existing.name.clone_from(&state.name);
                for status in &state.statuses {
                    merge_status(&entity, &mut existing.statuses, status)?;
                }
            }
        }
    }
    Ok(())
}

fn merge_status(entity: &str, statuses: &mut Vec<StatusDefinition>, next: &StatusDefinition) -> Result<()> {
    let Some(existing) = statuses.iter_mut().find(|existing| existing.value == next.value) else {
        statuses.push(next.clone());
        return Ok(());
    };
    let narrowed = match (&existing.next, &next.next) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(now), Some(then)) => now.iter().any(|status| !then.contains(status)),
    };
    if narrowed {
        return Err(invalid(format!(
            "the status {} (`{}`) of `{entity}` is defined already, and what may follow it can only grow; keep in `next` \
             what is there, or leave `next` out to allow all",
            existing.value, existing.name
        )));
    }
    *existing = next.clone();
    Ok(())
}
