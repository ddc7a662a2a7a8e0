//! Numbers invoices without gaps: each gets the next number of a sequence in the transaction that creates it, so an
//! invoice that is rolled back gives its number back.

use stagegate_sdk::prelude::*;

#[derive(Entity, Default)]
#[entity("invoice")]
struct Invoice {
    invoicenumber: Field<String>,
    total: Field<Money>,
}

/// Where numbers come from. An administrator keeps one record for each kind of number.
#[derive(Entity, Default)]
#[entity("numbersequence")]
struct Sequence {
    name: Field<String>,
    /// What stands before the digits: `INV-2026-`.
    prefix: Field<String>,
    /// How many digits a number has at least.
    width: Field<i32>,
    nextnumber: Field<i64>,
}

/// Refuses a number that the caller brings along.
#[step(PreValidation)]
fn refuse_own_number(ctx: &mut Create<Invoice>) -> Result {
    ensure!(
        ctx.target.invoicenumber.is_empty(),
        "an invoice gets its number when it is created: leave `invoicenumber` out"
    );
    Ok(())
}

/// Refuses to change a number that was given.
#[step(PreValidation, changed(invoicenumber))]
fn keep_number(_: &mut Update<Invoice>) -> Result {
    bail!("an invoice keeps its number: leave `invoicenumber` out")
}

/// Takes the next number of the sequence that the configuration names, and puts it into the record to be created.
#[step(PreOperation, configuration = "invoice")]
fn give_number(ctx: &mut Create<Invoice>) -> Result {
    let name = ctx.configuration().unwrap_or_default();
    let named = Query::<Sequence>::new().filter(Sequence::COLUMNS.name.eq(name.as_str()));
    let Some(sequence) = ctx.org().retrieve_first(named)? else {
        bail!("there is no number sequence `{name}`: create a `numbersequence` record of that name");
    };

    let number = sequence.nextnumber.value_or(1);
    ctx.org().update(sequence.id, Sequence { nextnumber: (number + 1).into(), ..default() })?;

    let (prefix, width) = (sequence.prefix.or_default(), sequence.width.or_default().clamp(0, WIDTH_MAX));
    ctx.target.invoicenumber = format!("{prefix}{number:0width$}", width = usize::try_from(width)?).into();
    Ok(())
}

/// Refuses an invoice whose total is negative. It looks at what was written, whatever the steps before made of the
/// request. The number is given by then; the rollback takes it back.
#[step(PostOperation, after(total))]
fn check_total(ctx: &mut Create<Invoice>) -> Result {
    let total = ctx.after.total.or_default();
    ensure!(total >= Money::ZERO, "the total of an invoice is never negative, and this one is {total}");
    Ok(())
}

/// As many digits as the largest number has.
const WIDTH_MAX: i32 = 19;

plugin!(refuse_own_number, keep_number, give_number, check_total, uses(Sequence));

#[cfg(test)]
mod tests;
