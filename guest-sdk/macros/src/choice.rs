//! `#[derive(Choice)]`

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, Result};

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let name = &input.ident;
    let Data::Enum(data) = &input.data else {
        return Err(Error::new_spanned(name, "a choice is an enum: `enum Status { Open = 1, Closed = 2 }`"));
    };
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) || variant.discriminant.is_none() {
            return Err(Error::new_spanned(variant, "an option is a name with its number: `Open = 1`"));
        }
    }
    let options: Vec<_> = data.variants.iter().map(|variant| &variant.ident).collect();
    let numbers =
        data.variants.iter().filter_map(|variant| variant.discriminant.as_ref()).map(|(_, number)| number);
    let numbers: Vec<_> = numbers.collect();
    Ok(quote! {
        #[automatically_derived]
        impl ::stagegate_sdk::AttributeType for #name {
            const TYPE: &'static ::core::primitive::str = "choice";

            fn into_value(self) -> ::stagegate_sdk::Value {
                ::stagegate_sdk::Value::Choice(self.into())
            }

            fn from_value(value: ::stagegate_sdk::Value) -> ::core::option::Option<Self> {
                let ::stagegate_sdk::Value::Choice(::stagegate_sdk::Choice(number)) = value else {
                    return ::core::option::Option::None;
                };
                #(if number == #numbers {
                    return ::core::option::Option::Some(Self::#options);
                })*
                ::core::option::Option::None
            }
        }

        #[automatically_derived]
        impl ::core::convert::From<#name> for ::stagegate_sdk::Choice {
            fn from(option: #name) -> Self {
                ::stagegate_sdk::Choice(match option {
                    #(#name::#options => #numbers,)*
                })
            }
        }
    })
}
