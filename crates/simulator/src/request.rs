//! Checks the headers of a request, in the order in which the API checks them.

use hyper::{
    HeaderMap,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST},
};

use super::{
    error::ApiError,
    identity::{Caller, Identities},
    listing::Listing,
    parameters::Parameters,
    signature::{Authorization, check_time},
};

pub(super) const ACTION: &str = "X-TC-Action";
pub(super) const REGION: &str = "X-TC-Region";
const VERSION: &str = "X-TC-Version";
const TIMESTAMP: &str = "X-TC-Timestamp";
const TOKEN: &str = "X-TC-Token";
const CLIENT: &str = "X-TC-RequestClient";

/// The `Authorization` header of an unsigned request.
const UNSIGNED: &str = "SKIP";

/// A simulated action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    DescribeVpnConnections,
    DescribeVpnGateways,
    DescribeCustomerGateways,
    DeleteVpnConnection,
    GetMonitorData,
    AssumeRole,
    AssumeRoleWithWebIdentity,
    DescribeRegions,
}

impl Action {
    /// The product, name and value of each action.
    const ALL: [(&str, &str, Self); 8] = [
        ("vpc", "DescribeVpnConnections", Self::DescribeVpnConnections),
        ("vpc", "DescribeVpnGateways", Self::DescribeVpnGateways),
        ("vpc", "DescribeCustomerGateways", Self::DescribeCustomerGateways),
        ("vpc", "DeleteVpnConnection", Self::DeleteVpnConnection),
        ("monitor", "GetMonitorData", Self::GetMonitorData),
        ("sts", "AssumeRole", Self::AssumeRole),
        ("sts", "AssumeRoleWithWebIdentity", Self::AssumeRoleWithWebIdentity),
        ("region", "DescribeRegions", Self::DescribeRegions),
    ];
    /// The API version of each product.
    const VERSIONS: [(&str, &str); 4] =
        [("vpc", "2017-03-12"), ("monitor", "2018-07-24"), ("sts", "2018-08-13"), ("region", "2022-06-27")];

    pub(super) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(.., action)| *action == self).expect("every action is listed").1
    }

    /// Whether a request must name a region.
    pub(super) fn is_regional(self) -> bool {
        !matches!(self, Self::AssumeRole | Self::AssumeRoleWithWebIdentity | Self::DescribeRegions)
    }

    /// The maximum number of requests per second over all regions, if the action has one: 20 for `GetMonitorData`.
    pub(super) fn limit_over_all_regions(self) -> Option<usize> {
        (self == Self::GetMonitorData).then_some(20)
    }

    /// The listing that an action with this name reads. Other actions concern the tunnels, except `GetMonitorData`.
    pub(super) fn listing(name: &str) -> Option<Listing> {
        match name {
            "DescribeVpnGateways" => Some(Listing::VpnGateways),
            "DescribeCustomerGateways" => Some(Listing::CustomerGateways),
            "GetMonitorData" => None,
            _ => Some(Listing::VpnConnections),
        }
    }

    /// Whether an action has this name.
    pub(super) fn is_offered(name: &str) -> bool {
        Self::ALL.iter().any(|(_, known, _)| *known == name)
    }

    fn find(product: &str, name: &str, version: &str) -> Result<Self, ApiError> {
        let Some((_, known)) = Self::VERSIONS.iter().find(|(known, _)| *known == product) else {
            return Err(ApiError::new("NoSuchProduct", format!("There is no product `{product}`.")));
        };
        if version != *known {
            return Err(ApiError::new("NoSuchVersion", format!("`{product}` has no version `{version}`.")));
        }
        let named = Self::ALL.iter().find(|(of, known, _)| *of == product && *known == name);
        named.map(|(.., action)| *action).ok_or_else(|| {
            ApiError::new("InvalidAction", format!("`{product}` has no action `{name}` in this version."))
        })
    }
}

/// A valid request: its action and its caller.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) action: Action,
    pub(super) caller: Caller,
}

impl Call {
    /// Checks a request. `now` is the server's clock, in Unix seconds.
    pub(super) fn admit(
        headers: &HeaderMap,
        body: &[u8],
        identities: &Identities,
        now: u64,
    ) -> Result<Self, ApiError> {
        required(headers, HOST.as_str())?;
        check_content_type(required(headers, CONTENT_TYPE.as_str())?)?;
        let action = required(headers, ACTION)?;
        let version = required(headers, VERSION)?;
        let timestamp = required(headers, TIMESTAMP)?;
        let timestamp = timestamp.parse().map_err(|_| ApiError::mistyped(TIMESTAMP, "Unix seconds"))?;
        let authorization = required(headers, "Authorization")?;
        check_client(headers)?;
        check_time(timestamp, now)?;
        if authorization == UNSIGNED {
            return Self::unsigned(action, version);
        }
        let authorization = Authorization::parse(authorization)?;
        let (caller, key) = identities.caller(authorization.secret_id, text(headers, TOKEN), now)?;
        authorization.check(&key, timestamp, headers, body)?;
        let action = Action::find(authorization.service, action, version)?;
        Ok(Self { action, caller })
    }

    /// An unsigned request. It is valid only for the action whose parameters contain a token.
    fn unsigned(action: &str, version: &str) -> Result<Self, ApiError> {
        match Action::find("sts", action, version) {
            Ok(action @ Action::AssumeRoleWithWebIdentity) => Ok(Self { action, caller: Caller::default() }),
            Err(error) if action == Action::AssumeRoleWithWebIdentity.name() => Err(error),
            _ => Err(ApiError::new("AuthFailure.InvalidAuthorization", "This action must be signed.")),
        }
    }
}

/// The caller's `SecretId`, if the `Authorization` header is valid.
pub(super) fn secret_id(headers: &HeaderMap) -> Option<&str> {
    let header = text(headers, AUTHORIZATION.as_str())?;
    Some(Authorization::parse(header).ok()?.secret_id)
}

/// The `Offset` in a body, 0 by default; `None` if the body is invalid.
pub(super) fn first_row(body: &[u8]) -> Option<usize> {
    Some(Parameters::parse(body).ok()?.number("Offset").ok()?.unwrap_or(0))
}

fn required<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, ApiError> {
    text(headers, name).filter(|value| !value.is_empty()).ok_or_else(|| ApiError::missing(name))
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The document requires JSON. It does not specify the error for other types.
fn check_content_type(value: &str) -> Result<(), ApiError> {
    let kind = value.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(ApiError::mistyped("Content-Type", "application/json"))
}

/// The document specifies the characters and length of this header, but no error. The simulator refuses invalid
/// values, to show a client's mistake early. It allows spaces because Tencent's SDKs use them.
fn check_client(headers: &HeaderMap) -> Result<(), ApiError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_,;. ".contains(&byte);
    match headers.get(CLIENT).map(hyper::header::HeaderValue::as_bytes) {
        Some(client) if client.is_empty() || client.len() > 128 || !client.iter().copied().all(allowed) => {
            Err(ApiError::mistyped(CLIENT, "1 to 128 letters, digits, spaces and any of `-_,;.`"))
        }
        _ => Ok(()),
    }
}
