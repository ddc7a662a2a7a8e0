//! `#[derive(Shared)]`

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, Result};

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let name = &input.ident;
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(name, "shared variables are the fields of a struct"));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new_spanned(
            name,
            "shared variables need names: `struct Rise { from: Money, to: Money }`",
        ));
    };
    let idents: Vec<_> = fields.named.iter().filter_map(|field| field.ident.as_ref()).collect();
    let types: Vec<_> = fields.named.iter().map(|field| &field.ty).collect();
    let names: Vec<_> = idents.iter().map(|ident| format!("{name}.{ident}")).collect();
    Ok(quote! {
        #[automatically_derived]
        impl ::stagegate_sdk::Shared for #name {
            fn share(
                self,
                put: &mut dyn ::core::ops::FnMut(
                    &::core::primitive::str,
                    ::stagegate_sdk::Value,
                ) -> ::stagegate_sdk::Result,
            ) -> ::stagegate_sdk::Result {
                #(put(#names, <#types as ::stagegate_sdk::AttributeType>::into_value(self.#idents))?;)*
                ::core::result::Result::Ok(())
            }

            fn read(
                get: &dyn ::core::ops::Fn(
                    &::core::primitive::str,
                ) -> ::core::option::Option<::stagegate_sdk::Value>,
            ) -> ::core::option::Option<Self> {
                ::core::option::Option::Some(Self {
                    #(#idents: <#types as ::stagegate_sdk::AttributeType>::from_value(get(#names)?)?,)*
                })
            }
        }
    })
}
