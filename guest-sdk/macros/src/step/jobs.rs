//! The parts of `#[step(..)]` that say how system jobs run.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::ParseStream;
use syn::{Error, Ident, LitInt, Result};

use super::arguments::{Number, equals, number, once};

/// The parts as written.
#[derive(Default)]
pub(crate) struct Jobs {
    first: Option<Ident>,
    ordered: Option<()>,
    unique: Option<()>,
    priority: Option<Number>,
    retries: Option<LitInt>,
    auto_delete: Option<()>,
    background: Option<()>,
}

impl Jobs {
    /// The first of them, if there is any.
    pub(super) fn first(&self) -> Option<&Ident> {
        self.first.as_ref()
    }

    /// Reads the part named `key`; false if it is none of these.
    pub(super) fn part(&mut self, key: &Ident, input: ParseStream<'_>) -> Result<bool> {
        match key.to_string().as_str() {
            "ordered" => once(&mut self.ordered, key, ())?,
            "unique" => once(&mut self.unique, key, ())?,
            "priority" => once(&mut self.priority, key, number(key, input)?)?,
            "retries" => once(&mut self.retries, key, retries(key, input)?)?,
            "auto_delete" => once(&mut self.auto_delete, key, ())?,
            "background" => once(&mut self.background, key, ())?,
            _ => return Ok(false),
        }
        self.first.get_or_insert_with(|| key.clone());
        Ok(true)
    }
}

/// The `JobOptions` that they make.
impl ToTokens for Jobs {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let options = quote!(::stagegate_sdk::JobOptions);
        if self.first.is_none() {
            tokens.extend(quote!(#options::DEFAULT));
            return;
        }
        let [ordered, unique, auto_delete, background] =
            [self.ordered, self.unique, self.auto_delete, self.background].map(|flag| flag.is_some());
        let priority = self
            .priority
            .as_ref()
            .map_or_else(|| quote!(#options::DEFAULT.priority), Number::to_token_stream);
        let retries =
            self.retries.as_ref().map_or_else(|| quote!(#options::DEFAULT.retries), LitInt::to_token_stream);
        tokens.extend(quote! {
            #options {
                ordered: #ordered,
                unique: #unique,
                priority: #priority,
                retries: #retries,
                auto_delete: #auto_delete,
                background: #background,
            }
        });
    }
}

fn retries(key: &Ident, input: ParseStream<'_>) -> Result<LitInt> {
    equals(key, input)?;
    let number: LitInt = input.parse()?;
    let _: u32 = number
        .base10_parse()
        .map_err(|_| Error::new(number.span(), "write how often, from 0 on: `retries = 2`"))?;
    Ok(number)
}
