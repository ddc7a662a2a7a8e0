//! RetrieveMultiple: reads the records that a query selects.

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;

use super::{CoreOperation, Done, Operation, Subject, Traits, check_names, missing};
use crate::model::error::Result;
use crate::model::query::cookie;
use crate::model::request::parameter;
use crate::model::{DateTime, Message, Page, Parameter, Parameters, Query, Schema};

pub(super) struct RetrieveMultiple;

#[async_trait]
impl CoreOperation for RetrieveMultiple {
    fn name(&self) -> &'static str {
        Message::RETRIEVE_MULTIPLE
    }

    fn traits(&self) -> Traits {
        Traits::READ
    }

    fn check(&self, schema: &Schema, message: &str, input: &Parameters) -> Result<Subject> {
        check_names(message, input, &[parameter::QUERY])?;
        let query = query(input)?;
        query.check(schema)?;
        Ok(Subject::new(schema.entity(&query.entity)?, None))
    }

    async fn perform(&self, cx: Operation<'_>, _subject: &Subject, input: &Parameters) -> Result<Done> {
        let query = query(input)?;
        let (now, resolved) = resolved(&cx, query)?;
        let mut entities = cx.transaction.query(cx.schema, &resolved).await?;
        if let Some(cookie) = entities.paging_cookie.as_mut().filter(|_| query.is_relative()) {
            *cookie = cookie::seal_moment(query, now, cookie)?;
        }
        let entities = Parameter::Entities(Arc::new(entities));
        Ok(Parameters::from([(parameter::BUSINESS_ENTITY_COLLECTION.into(), entities)]).into())
    }
}

fn query(input: &Parameters) -> Result<&Query> {
    match input.get(parameter::QUERY) {
        Some(Parameter::Query(query)) => Ok(query),
        other => Err(missing(Message::RETRIEVE_MULTIPLE, parameter::QUERY, "a query", other)),
    }
}

/// The query with what depends on the time and the user made plain, and the moment that counts as now: the one of the
/// first page, so that the bounds of all pages are the same.
fn resolved<'q>(cx: &Operation<'_>, query: &'q Query) -> Result<(DateTime, Cow<'q, Query>)> {
    if !query.is_relative() {
        return Ok((cx.now, Cow::Borrowed(query)));
    }
    let Some(Page { size, cookie: Some(cookie) }) = &query.page else {
        return Ok((cx.now, Cow::Owned(query.resolved(cx.now, cx.user))));
    };
    let (now, cookie) = cookie::open_moment(query, cookie)?;
    let resolved = query.resolved(now, cx.user).page_after(*size, cookie);
    Ok((now, Cow::Owned(resolved)))
}
