//! What a plugin is not to know.

use stagegate_sdk::prelude::*;

use crate::refused;

/// Looks into its environment and arguments.
#[step(PreOperation, entity = "probe")]
pub(crate) fn environment(_: &mut Create<Record>) -> Result {
    let found: Vec<_> = std::env::vars_os().collect();
    ensure!(found.is_empty(), "found the environment {found:?}");
    ensure!(std::env::args_os().next().is_none(), "found arguments");
    ensure!(
        std::env::current_dir().map_or(true, |folder| folder == std::path::Path::new("/")),
        "found a folder"
    );
    Ok(())
}

/// Asks for the configuration: another step has a secure one, this one none.
#[step(PreOperation, entity = "probe")]
pub(crate) fn configuration_of_others(ctx: &mut Create<Record>) -> Result {
    ensure!(ctx.secure_configuration().is_none(), "found a secure configuration");
    ensure!(ctx.configuration().is_none(), "found a configuration");
    ensure!(ctx.parent().is_none(), "found the context of another message");
    Ok(())
}

/// Names of what databases and the host keep for themselves.
const TABLES: [&str; 10] = [
    "sqlite_master",
    "sqlite_schema",
    "pg_catalog.pg_shadow",
    "information_schema.tables",
    "stagegate_registration",
    "registration",
    "job",
    "sdkmessageprocessingstep",
    "sdkmessageprocessingstepsecureconfig",
    "main.probe",
];

/// Reads tables that are no entities.
#[step(PreOperation, entity = "probe")]
pub(crate) fn tables_of_the_host(ctx: &mut Create<Record>) -> Result {
    for table in TABLES {
        refused(table, ctx.org().retrieve_multiple(Query::<Record>::of(table)))?;
    }
    Ok(())
}

/// Reads them by the names of columns, orders and links.
#[step(PreOperation, entity = "probe")]
pub(crate) fn tables_by_queries(ctx: &mut Create<Record>) -> Result {
    let of = || Query::<Record>::of("inner");
    for name in ["name\" FROM sqlite_master --", "(SELECT sql FROM sqlite_master)", "rowid", "*", "name; --"]
    {
        refused(name, ctx.org().retrieve_multiple(of().order_by(name)))?;
        refused(name, ctx.org().retrieve_multiple(of().filter(eq(name, "x"))))?;
    }
    Ok(())
}
