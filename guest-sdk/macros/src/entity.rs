//! `#[derive(Entity)]`

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Error, Fields, LitStr, Result};

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let name = &input.ident;
    let logical_name = text_of(&input.attrs, "entity")?.ok_or_else(|| {
        Error::new_spanned(name, "which entity? Write `#[entity(\"logicalname\")]` above the struct")
    })?;
    let fields = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => &fields.named,
            other => return Err(Error::new_spanned(other, "the columns need names: `name: Field<String>`")),
        },
        _ => {
            return Err(Error::new_spanned(name, "an entity is a struct with a `Field<..>` for each column"));
        }
    };
    if !input.generics.params.is_empty() {
        return Err(Error::new_spanned(&input.generics, "an entity's struct has no generic parameters"));
    }

    let mut idents = Vec::new();
    let mut types = Vec::new();
    let mut columns = Vec::new();
    for field in fields {
        let Some(ident) = &field.ident else { continue };
        let given = text_of(&field.attrs, "column")?.map(|text| text.value());
        let column = given.unwrap_or_else(|| ident.to_string().trim_start_matches("r#").to_owned());
        if columns.contains(&column) {
            return Err(Error::new_spanned(ident, format!("the column `{column}` is here twice")));
        }
        idents.push(ident);
        let ty = &field.ty;
        // With the field's place, so that an unsuitable type is an error there.
        types.push(quote_spanned!(ty.span()=> <#ty as ::stagegate_sdk::EntityField>));
        columns.push(column);
    }

    let columns_name = format_ident!("{name}Columns");
    let columns_doc = format!("The columns of [`{name}`].");
    Ok(quote! {
        const _: () = {
            #[doc = #columns_doc]
            pub struct #columns_name {
                #(pub #idents: ::stagegate_sdk::Column<#types::Type>,)*
            }

            #[automatically_derived]
            impl ::stagegate_sdk::Entity for #name {
                const LOGICAL_NAME: &'static ::core::primitive::str = #logical_name;
                type Columns = #columns_name;
                const COLUMNS: #columns_name = #columns_name {
                    #(#idents: ::stagegate_sdk::Column::new(#columns),)*
                };
                const NAMES: &'static [&'static ::core::primitive::str] = &[#(#columns),*];
                const DECLARATION: ::stagegate_sdk::EntityDeclaration = ::stagegate_sdk::EntityDeclaration {
                    logical_name: #logical_name,
                    attributes: &[#(
                        ::stagegate_sdk::AttributeDeclaration {
                            name: #columns,
                            attribute_type: <#types::Type
                                as ::stagegate_sdk::AttributeType>::TYPE,
                            targets: <#types::Type
                                as ::stagegate_sdk::AttributeType>::TARGETS,
                        },
                    )*],
                };

                fn take(
                    record: &mut ::stagegate_sdk::Record,
                    side: ::stagegate_sdk::__private::Side,
                ) -> ::stagegate_sdk::Result<Self> {
                    ::core::result::Result::Ok(Self {
                        #(#idents: #types::take(record, #columns, side)?,)*
                    })
                }

                fn put(&self, record: &mut ::stagegate_sdk::Record) {
                    #(#types::put(&self.#idents, record, #columns);)*
                }
            }

            #[automatically_derived]
            impl ::stagegate_sdk::ParameterType for #name {
                const TYPE: &'static ::core::primitive::str = "entity";
                const ENTITY: ::core::option::Option<&'static ::core::primitive::str> =
                    ::core::option::Option::Some(#logical_name);

                fn into_parameter(self) -> ::stagegate_sdk::Parameter {
                    ::stagegate_sdk::Parameter::Entity(::stagegate_sdk::Shape::into_record(self))
                }

                fn from_parameter(
                    parameter: ::stagegate_sdk::Parameter,
                ) -> ::core::option::Option<Self> {
                    ::stagegate_sdk::__private::entity_from(parameter)
                }
            }

            #[automatically_derived]
            impl ::stagegate_sdk::__private::Declares for #name {
                const DECLARED: ::stagegate_sdk::__private::Declared =
                    ::stagegate_sdk::__private::Declared::Entity(
                        &<Self as ::stagegate_sdk::Entity>::DECLARATION,
                    );
            }
        };
    })
}

/// The text of `#[name("text")]`.
pub(crate) fn text_of(attributes: &[Attribute], name: &str) -> Result<Option<LitStr>> {
    let Some(attribute) = attributes.iter().find(|attribute| attribute.path().is_ident(name)) else {
        return Ok(None);
    };
    attribute
        .parse_args::<LitStr>()
        .map(Some)
        .map_err(|_| Error::new_spanned(attribute, format!("write `#[{name}(\"logicalname\")]`")))
}
