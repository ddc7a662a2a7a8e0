//! `#[derive(CustomMessage)]` and `#[derive(Response)]`

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::meta::ParseNestedMeta;
use syn::parse::Parser;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Fields, Ident, LitStr, Result, Token, Type};

use crate::entity::text_of;
use crate::step::first_paragraph;

pub(crate) fn expand_message(input: &DeriveInput) -> Result<TokenStream> {
    let ident = &input.ident;
    let Arguments { name, response, collection, steps } = Arguments::of(input)?;
    let (parameters, target) = parameters(input)?;
    let (binding, target_entity) = match (&target, &collection) {
        (Some(target), Some(_)) => {
            let text = "a message is on a record, with `#[target]`, or on an entity's records, with `collection = \
                        ..`: take one of them away";
            return Err(Error::new_spanned(&target.ident, text));
        }
        (Some(Parameter { ty, .. }), None) => {
            let field = quote_spanned!(ty.span()=> <#ty as ::stagegate_sdk::TargetField>::DECLARATION);
            (quote!(Entity(#field.logical_name)), quote!(::core::option::Option::Some(#field)))
        }
        (None, Some(entity)) => {
            let entity = quote_spanned!(entity.span()=> <#entity as ::stagegate_sdk::Entity>);
            (
                quote!(EntityCollection(#entity::LOGICAL_NAME)),
                quote!(::core::option::Option::Some(&#entity::DECLARATION)),
            )
        }
        (None, None) => (quote!(Global), quote!(::core::option::Option::None)),
    };
    let response = response.map_or_else(|| quote!(()), |response| quote!(#response));
    let properties = quote_spanned!(response.span()=> <#response as ::stagegate_sdk::Response>::PROPERTIES);
    let description = match first_paragraph(&input.attrs) {
        Some(text) => quote!(::core::option::Option::Some(#text)),
        None => quote!(::core::option::Option::None),
    };
    let declared = parameters.iter().map(Parameter::declaration);
    let (take, put) = (take(parameters.iter().chain(&target)), put(parameters.iter().chain(&target)));
    Ok(quote! {
        #[automatically_derived]
        impl ::stagegate_sdk::CustomMessage for #ident {
            type Response = #response;
            const DECLARATION: ::stagegate_sdk::MessageDeclaration = ::stagegate_sdk::MessageDeclaration {
                name: #name,
                binding: ::stagegate_sdk::Binding::#binding,
                steps: ::stagegate_sdk::StepsAllowed::#steps,
                parameters: &[#(#declared),*],
                properties: #properties,
                description: #description,
            };
            const TARGET: ::core::option::Option<&'static ::stagegate_sdk::EntityDeclaration> = #target_entity;

            #take

            #put
        }

        #[automatically_derived]
        impl ::stagegate_sdk::__private::Declares for #ident {
            const DECLARED: ::stagegate_sdk::__private::Declared =
                ::stagegate_sdk::__private::Declared::Message(
                    &<Self as ::stagegate_sdk::CustomMessage>::DECLARATION,
                );
        }
    })
}

pub(crate) fn expand_response(input: &DeriveInput) -> Result<TokenStream> {
    let ident = &input.ident;
    let (properties, target) = parameters(input)?;
    if let Some(target) = target {
        let text = "`#[target]` is for a request: the struct with `#[derive(CustomMessage)]`";
        return Err(Error::new_spanned(target.ident, text));
    }
    let declared = properties.iter().map(Parameter::declaration);
    let (take, put) = (take(properties.iter()), put(properties.iter()));
    Ok(quote! {
        #[automatically_derived]
        impl ::stagegate_sdk::Response for #ident {
            const PROPERTIES: &'static [::stagegate_sdk::ParameterDeclaration] = &[#(#declared),*];

            #take

            #put
        }
    })
}

/// What `#[message(..)]` says.
struct Arguments {
    name: LitStr,
    response: Option<Type>,
    collection: Option<Type>,
    /// A case of `StepsAllowed`.
    steps: Ident,
}

const SHAPE: &str = "write `#[message(\"sg_Approve\", response = Approved)]`: the message's name, and if need be \
                     `response = ..`, `collection = ..`, `steps = \"none\"` or `steps = \"async-only\"`";

impl Arguments {
    fn of(input: &DeriveInput) -> Result<Self> {
        let attribute = input.attrs.iter().find(|attribute| attribute.path().is_ident("message"));
        let attribute = attribute.ok_or_else(|| {
            let text = "which message? Write `#[message(\"sg_Approve\")]` above the struct";
            Error::new_spanned(&input.ident, text)
        })?;
        attribute.parse_args_with(|stream: syn::parse::ParseStream<'_>| {
            let name: LitStr = stream.parse().map_err(|error| Error::new(error.span(), SHAPE))?;
            let steps = Ident::new("SyncAndAsync", name.span());
            let mut arguments = Self { name, response: None, collection: None, steps };
            if stream.parse::<Option<Token![,]>>()?.is_some() {
                syn::meta::parser(|meta| arguments.part(&meta)).parse2(stream.parse()?)?;
            }
            Ok(arguments)
        })
    }

    fn part(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        if meta.path.is_ident("response") {
            self.response = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("collection") {
            self.collection = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("steps") {
            let allowed: LitStr = meta.value()?.parse()?;
            let case = match allowed.value().as_str() {
                "none" => "None",
                "async-only" => "AsyncOnly",
                "sync-and-async" => "SyncAndAsync",
                _ => {
                    let text = "the steps are \"none\", \"async-only\" or \"sync-and-async\"";
                    return Err(Error::new(allowed.span(), text));
                }
            };
            self.steps = Ident::new(case, allowed.span());
        } else {
            return Err(meta.error(SHAPE));
        }
        Ok(())
    }
}

/// A field that is a parameter.
struct Parameter {
    ident: Ident,
    ty: Type,
    name: String,
}

impl Parameter {
    fn declaration(&self) -> TokenStream {
        let Self { ty, name, .. } = self;
        quote_spanned!(ty.span()=> ::stagegate_sdk::ParameterDeclaration::of::<#ty>(#name))
    }
}

/// The parameters, and the target.
fn parameters(input: &DeriveInput) -> Result<(Vec<Parameter>, Option<Parameter>)> {
    let fields = match &input.data {
        Data::Struct(data) => &data.fields,
        _ => {
            return Err(Error::new_spanned(
                &input.ident,
                "the parameters of a message are the fields of a struct",
            ));
        }
    };
    if !input.generics.params.is_empty() {
        return Err(Error::new_spanned(&input.generics, "a message's struct has no generic parameters"));
    }
    let fields = match fields {
        Fields::Named(fields) => fields.named.iter().collect(),
        Fields::Unit => Vec::new(),
        Fields::Unnamed(_) => {
            return Err(Error::new_spanned(fields, "the parameters need names: `amount: Money`"));
        }
    };
    let (mut parameters, mut target) = (Vec::<Parameter>::new(), None);
    for field in fields {
        let Some(ident) = field.ident.clone() else { continue };
        let is_target = field.attrs.iter().any(|attribute| attribute.path().is_ident("target"));
        let given = text_of(&field.attrs, "parameter")?.map(|text| text.value());
        let name = match given {
            _ if is_target => "Target".to_owned(),
            Some(name) => name,
            None => pascal_case(&ident.to_string()),
        };
        let parameter = Parameter { ident, ty: field.ty.clone(), name };
        if is_target {
            if target.is_some() {
                return Err(Error::new_spanned(parameter.ident, "a message has one target"));
            }
            target = Some(parameter);
        } else if parameters.iter().any(|known| known.name == parameter.name) {
            let text = format!("the parameter `{}` is here twice", parameter.name);
            return Err(Error::new_spanned(parameter.ident, text));
        } else if parameter.name == "Target" {
            let text = "`Target` is the record that a message is bound to: write `#[target]` above the field, or give \
                        it another name";
            return Err(Error::new_spanned(parameter.ident, text));
        } else {
            parameters.push(parameter);
        }
    }
    Ok((parameters, target))
}

fn take<'a>(parameters: impl Iterator<Item = &'a Parameter>) -> TokenStream {
    let fields = parameters.map(|Parameter { ident, name, ty }| {
        quote_spanned!(ty.span()=> #ident: ::stagegate_sdk::__private::take_field(get, #name)?)
    });
    quote! {
        fn take(
            get: &mut dyn ::core::ops::FnMut(
                &::core::primitive::str,
            ) -> ::core::option::Option<::stagegate_sdk::Parameter>,
        ) -> ::stagegate_sdk::Result<Self> {
            _ = &get;
            ::core::result::Result::Ok(Self { #(#fields,)* })
        }
    }
}

fn put<'a>(parameters: impl Iterator<Item = &'a Parameter>) -> TokenStream {
    let fields = parameters.map(|Parameter { ident, name, ty }| {
        quote_spanned!(ty.span()=> ::stagegate_sdk::__private::put_field(self.#ident, parameters, #name);)
    });
    quote! {
        fn put(self, parameters: &mut ::stagegate_sdk::Parameters) {
            _ = &parameters;
            #(#fields)*
        }
    }
}

/// `NewPrice` of `new_price`, as the platform's parameters are named.
fn pascal_case(ident: &str) -> String {
    let words = ident.trim_start_matches("r#").split('_');
    words
        .flat_map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            first.into_iter().chain(letters.collect::<Vec<_>>())
        })
        .collect()
}
