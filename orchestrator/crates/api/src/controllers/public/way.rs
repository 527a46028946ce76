//! The ways that lead to a function, and what each says of its path.

use std::net::IpAddr;
use std::sync::Arc;

use cloudbox_dispatch::table::Entry;
use cloudbox_http::api::Api;
use cloudbox_http::auth::chosen::{self, Keys};
use cloudbox_http::auth::{Caller, access, tenant};
use cloudbox_http::error::ApiError;
use http::{HeaderMap, Uri};

/// What of a path leads to a function: everything before belongs to the service, everything behind to the function.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// `/p/{project}/functions/{name}`; the name may have a version behind it here and below: `name:alias`.
    Project,
    /// `/_functions/{name}`
    Short,
    /// `/invoke/{function}`
    Invoke,
    /// `/api/v1/functions/{project}/{name}`
    FunctionService,
    /// `/api/v1/functions/{name}`
    FunctionServiceShort,
}

impl Way {
    /// How many parts of the path it takes.
    const fn parts(self) -> usize {
        match self {
            Self::Short | Self::Invoke => 2,
            Self::Project | Self::FunctionServiceShort => 4,
            Self::FunctionService => 5,
        }
    }

    /// The project and the function as they are written in a path that is no text further on. The project is empty
    /// where the path has none.
    pub(super) fn raw_names(self, path: &str) -> Option<(String, String)> {
        let mut parts = self.base_path(path).split('/').skip(1);
        let mut part = |at: usize| parts.nth(at).map(str::to_owned);
        match self {
            Self::Project => Some((part(1)?, part(1)?)),
            Self::Short | Self::Invoke => Some((String::new(), part(1)?)),
            Self::FunctionService | Self::FunctionServiceShort => None,
        }
    }

    /// What leads to the function, as the caller has written it.
    pub(super) fn base_path(self, path: &str) -> &str {
        let end = path.match_indices('/').nth(self.parts()).map_or(path.len(), |(at, _)| at);
        &path[..end]
    }

    /// The function, where this caller may know of it.
    pub(super) async fn find(
        self,
        api: &Api,
        caller: Option<Caller>,
        (project, name): (String, String),
        (headers, uri, address): (&HeaderMap, &Uri, Option<IpAddr>),
    ) -> Result<Arc<Entry>, ApiError> {
        let (name, version) = chosen::split(&name);
        let entry = match self {
            Self::Project | Self::FunctionService => access::public(api, caller, &project, name).await?,
            Self::Invoke => {
                let project = tenant::meant(api, headers, uri).await?;
                access::public_meant(api, caller, &project, name).await?
            }
            Self::Short | Self::FunctionServiceShort => {
                let project = tenant::meant(api, headers, uri).await?;
                access::public(api, caller, &project, name).await?
            }
        };
        chosen::entry(api, caller, entry, version, Keys::of(headers).from_address(address)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_to_a_function_is_told_as_it_was_written() {
        for (way, path, base) in [
            (Way::Project, "/p/1/functions/a", "/p/1/functions/a"),
            (Way::Project, "/p/1/functions/a/x/y", "/p/1/functions/a"),
            (Way::Short, "/_functions/a", "/_functions/a"),
            (Way::Short, "/_functions/a/", "/_functions/a"),
            (Way::Invoke, "/invoke/7/x%20y", "/invoke/7"),
            (Way::FunctionService, "/api/v1/functions/shop/a", "/api/v1/functions/shop/a"),
            (Way::FunctionServiceShort, "/api/v1/functions/a", "/api/v1/functions/a"),
        ] {
            assert_eq!(way.base_path(path), base);
        }
        let named = |way: Way, path: &str| way.raw_names(path).unwrap();
        assert_eq!(named(Way::Project, "/p/1/functions/a/%ff"), ("1".to_owned(), "a".to_owned()));
        assert_eq!(named(Way::Invoke, "/invoke/7/%ff"), (String::new(), "7".to_owned()));
    }
}
