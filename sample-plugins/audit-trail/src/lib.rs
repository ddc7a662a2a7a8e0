//! Keeps an audit trail: one `auditentry` for every record of any entity that is created, changed or deleted, with who
//! did it, when, and what each attribute was before and after.

use std::collections::BTreeSet;

use stagegate_sdk::prelude::*;

#[derive(Entity, Default)]
#[entity("auditentry")]
struct AuditEntry {
    operation: Field<String>,
    entityname: Field<String>,
    /// As text and not as a lookup, so that the entry outlives the record.
    recordid: Field<String>,
    userid: Field<UniqueIdentifier>,
    /// A line `name: old -> new` for each attribute that changed.
    changes: Field<String>,
    occurredon: Field<DateTime>,
}

/// Keeps what a new record begins with.
#[step(PostOperation, async, after(all))]
fn audit_create(ctx: &mut Create<Record>) -> Result {
    keep(ctx, &Record::default(), &ctx.after)
}

/// Keeps what an update changed.
#[step(PostOperation, async, before(all), after(all))]
fn audit_update(ctx: &mut Update<Record>) -> Result {
    keep(ctx, &ctx.before, &ctx.after)
}

/// Keeps what was lost with a record.
#[step(PostOperation, async, before(all))]
fn audit_delete(ctx: &mut Delete<Record>) -> Result {
    keep(ctx, &ctx.before, &Record::default())
}

fn keep(ctx: &Context, before: &Record, after: &Record) -> Result {
    // A step on every entity is also called for the entries themselves: without this line, each would be audited by
    // another one.
    if ctx.entity_name() == AuditEntry::LOGICAL_NAME {
        return Ok(());
    }
    let entry = AuditEntry {
        operation: ctx.message().into(),
        entityname: ctx.entity_name().into(),
        recordid: ctx.record().map(|record| record.id.to_string()).into(),
        userid: ctx.initiating_user().into(),
        changes: changes(before, after).into(),
        // When the job was queued, in the transaction of the change. It may run much later.
        occurredon: ctx.operation_created_on().unwrap_or(ctx.now()).into(),
    };
    // A job that is run again finds the entry of the attempt before.
    ctx.create_once("entry", entry)?;
    Ok(())
}

/// A line for each attribute that differs, by name. An attribute without value is the same as one that is not there.
fn changes(before: &Record, after: &Record) -> String {
    let names: BTreeSet<&String> = before.attributes.keys().chain(after.attributes.keys()).collect();
    let line = |name: &String| {
        let (old, new) = (before.value_or_null(name), after.value_or_null(name));
        let is_change = old != new && !KEPT_BY_HOST.contains(&name.as_str());
        is_change.then(|| format!("{name}: {} -> {}", shown(old), shown(new)))
    };
    names.into_iter().filter_map(line).collect::<Vec<_>>().join("\n")
}

/// Text in quotes and on one line, so that no value can look like another line or like no value.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "(empty)".to_owned(),
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

/// What the host writes itself with every change.
const KEPT_BY_HOST: [&str; 5] = ["createdby", "createdon", "modifiedby", "modifiedon", "versionnumber"];

plugin!(audit_create, audit_update, audit_delete, uses(AuditEntry));

#[cfg(test)]
mod tests;
