//! The tables of a query and how they are joined.
//!
//! A link that only asks whether there is a match becomes `EXISTS`, in the condition of what it is linked to. So does a
//! join that takes records away inside of one that keeps them (inner inside outer), and is joined as an outer one after
//! that: parentheses would say the same, but SQLite then builds all that is in them first.

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::{AttributeType, EntityDefinition, Filter, Join, Link, Query, Schema};

use crate::store::sql::Sql;
use crate::store::sql::column::{Column, Place};

/// A table of the statement.
pub(super) struct Table<'q> {
    /// Its number in the statement, 0 for the query's own.
    pub(super) number: usize,
    pub(super) definition: &'q EntityDefinition,
    /// None for the query's own.
    pub(super) link: Option<&'q Link>,
    /// Whether its row can be missing.
    pub(super) optional: bool,
    joined: bool,
    children: Vec<Table<'q>>,
}

/// The query's own table, and what is linked to it.
pub(super) struct Tables<'q>(Table<'q>);

impl<'q> Tables<'q> {
    pub(super) fn of(schema: &'q Schema, query: &'q Query) -> Result<Self> {
        let definition = schema.entity(&query.entity)?;
        let mut count = 1;
        let children = children(schema, &query.links, true, false, &mut count)?;
        Ok(Self(Table { number: 0, definition, link: None, optional: false, joined: true, children }))
    }

    /// Those whose attributes can be named, each after what it is joined to.
    pub(super) fn joined(&self) -> Vec<&Table<'q>> {
        let mut tables = Vec::new();
        self.0.collect(&mut tables);
        tables
    }

    /// The table that an alias names, the query's own for none.
    pub(super) fn named(&self, alias: Option<&str>) -> Result<&Table<'q>> {
        let Some(alias) = alias else { return Ok(&self.0) };
        self.0.find(alias).ok_or_else(|| {
            Error::new(
                ErrorKind::Internal,
                format!("the query names the link `{alias}`, which was not checked"),
            )
        })
    }

    pub(super) fn push_from(&self, sql: &mut Sql<'q>) -> Result<()> {
        sql.push(" FROM ");
        self.0.push_name(sql);
        self.0.push_joins(sql, false)
    }

    /// The query's filter and its links without columns; false if there is nothing to say.
    pub(super) fn push_where(&self, sql: &mut Sql<'q>, filter: Option<&'q Filter>) -> Result<bool> {
        let mut word = " WHERE ";
        if let Some(filter) = filter {
            sql.push(word);
            sql.push_filter(&|alias| self.named(alias), filter)?;
            word = " AND ";
        }
        let mut said = filter.is_some();
        for child in self.0.tests() {
            sql.push(word);
            child.push_exists(sql, &self.0)?;
            word = " AND ";
            said = true;
        }
        Ok(said)
    }
}

fn children<'q>(
    schema: &'q Schema,
    links: &'q [Link],
    joined: bool,
    optional: bool,
    count: &mut usize,
) -> Result<Vec<Table<'q>>> {
    let mut tables = Vec::with_capacity(links.len());
    for link in links {
        let number = *count;
        *count += 1;
        let joined = joined && matches!(link.join, Join::Inner | Join::Outer);
        let optional = joined && (optional || link.join == Join::Outer);
        tables.push(Table {
            number,
            definition: schema.entity(&link.entity)?,
            link: Some(link),
            optional,
            joined,
            children: children(schema, &link.links, joined, optional, count)?,
        });
    }
    Ok(tables)
}

impl<'q> Table<'q> {
    /// Whether one row of what it is joined to can have several rows here.
    pub(super) fn multiplies(&self) -> bool {
        self.link.is_some_and(|link| link.from != self.definition.primary_id())
    }

    fn collect<'t>(&'t self, tables: &mut Vec<&'t Table<'q>>) {
        if self.joined {
            tables.push(self);
            self.children.iter().for_each(|child| child.collect(tables));
        }
    }

    fn find(&self, alias: &str) -> Option<&Self> {
        if self.link.is_some_and(|link| link.alias == alias) {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(alias))
    }

    fn push_name(&self, sql: &mut Sql<'q>) {
        sql.push_table(self.definition);
        sql.push(" AS q");
        sql.push_display(self.number);
    }

    fn join(&self) -> Join {
        self.link.map(|link| link.join).unwrap_or_default()
    }

    /// The children that only ask whether there is a match.
    fn tests(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter(|child| matches!(child.join(), Join::Exists | Join::NotExists))
    }

    /// The children without which a row here is no match.
    fn inner(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter(|child| child.join() == Join::Inner)
    }

    /// The children that are joined. If it is only asked whether there is a match, outer ones have no say in it.
    fn push_joins(&self, sql: &mut Sql<'q>, only_asked: bool) -> Result<()> {
        let outer = self.children.iter().filter(|child| !only_asked && child.join() == Join::Outer);
        for child in self.inner().chain(outer) {
            let optional = child.optional && !only_asked;
            sql.push(if optional { " LEFT JOIN " } else { " JOIN " });
            child.push_name(sql);
            sql.push(" ON ");
            child.push_match(sql, self)?;
            for inner in child.inner().filter(|_| optional) {
                sql.push(" AND ");
                inner.push_exists(sql, child)?;
            }
            child.push_joins(sql, only_asked)?;
        }
        Ok(())
    }

    fn push_exists(&self, sql: &mut Sql<'q>, parent: &Self) -> Result<()> {
        sql.push(if self.join() == Join::NotExists { "NOT EXISTS (" } else { "EXISTS (" });
        sql.push("SELECT 1 FROM ");
        self.push_name(sql);
        self.push_joins(sql, true)?;
        sql.push(" WHERE ");
        self.push_match(sql, parent)?;
        sql.push(")");
        Ok(())
    }

    /// What makes a row here a match: the attributes that must be equal, the link's filter, and the tests linked to it.
    fn push_match(&self, sql: &mut Sql<'q>, parent: &Self) -> Result<()> {
        let Some(link) = self.link else { return Ok(()) };
        let from = Column::of(self.definition, &link.from)?;
        let to = Column::of(parent.definition, &link.to)?;
        sql.push_compared(self.number, &from);
        sql.push("=");
        sql.push_compared(parent.number, &to);
        push_entities(sql, (self, &from), (parent, &to));
        if let Some(filter) = &link.filter {
            sql.push(" AND ");
            sql.push_filter(&|_| Ok(self), filter)?;
        }
        for child in self.tests() {
            sql.push(" AND ");
            child.push_exists(sql, self)?;
        }
        Ok(())
    }
}

/// Where a lookup can point to several entities, the one that it points to must be the other side's too. The names are
/// those of definitions, which need no quoting.
fn push_entities<'q>(sql: &mut Sql<'q>, a: (&Table<'q>, &Column<'q>), b: (&Table<'q>, &Column<'q>)) {
    let (a, b) = if a.1.has_entity() { (a, b) } else { (b, a) };
    if !a.1.has_entity() {
        return;
    }
    let entity = match b.1.attribute_type {
        AttributeType::Lookup { targets } => targets.first().map(String::as_str),
        _ if b.1.place == Place::Id => Some(b.0.definition.logical_name.as_str()),
        // An identifier of no entity in particular.
        _ => return,
    };
    sql.push(" AND ");
    sql.push_entity_column(a.0.number, a.1);
    sql.push("=");
    if b.1.has_entity() {
        sql.push_entity_column(b.0.number, b.1);
    } else {
        sql.push("'");
        sql.push(entity.unwrap_or_default());
        sql.push("'");
    }
}
