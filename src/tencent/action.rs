//! The trait for actions of the API: name, parameters, and how the response is parsed.

use std::fmt;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use super::{envelope::ApiResponse, error::ApiError};
use crate::domain::{secret::Secret, target::Region};

/// The initial buffer size of a request body without its secrets, in bytes: enough for most requests.
const BODY_BYTES: usize = 1024;

/// A product of Tencent Cloud and the version of its API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// The name, as in the host and in the credential scope.
    pub name: &'static str,
    /// `X-TC-Version`.
    pub version: &'static str,
}

impl Service {
    /// Virtual Private Cloud, which has the VPN tunnels.
    pub const VPC: Self = Self { name: "vpc", version: "2017-03-12" };
    /// Security Token Service, which issues temporary credentials.
    pub const STS: Self = Self { name: "sts", version: "2018-08-13" };
    /// Region management, which lists the regions of a product.
    pub const REGION: Self = Self { name: "region", version: "2022-06-27" };
    /// Cloud Monitor, which has the traffic of tunnels and gateways.
    pub const MONITOR: Self = Self { name: "monitor", version: "2018-07-24" };
}

/// The region for calls to global services such as STS.
#[must_use]
pub fn home_region() -> Region {
    Region::new("ap-guangzhou").expect("this is the name of a region")
}

/// One action of the API. It serializes as its parameters.
pub trait Action: Serialize + fmt::Debug + Sync {
    /// `X-TC-Action`.
    const NAME: &'static str;
    /// The product that the action belongs to.
    const SERVICE: Service;
    /// The permission that the action needs.
    const PERMISSION: &'static str;
    /// The largest number of requests a second of this action for an account, also if the configuration allows more.
    const MAX_REQUESTS_PER_SECOND: f64 = f64::INFINITY;
    /// The type of the parsed response.
    type Response: Send;

    /// Reads the fields of a response. The caller has already handled errors of the API.
    fn read(response: &ApiResponse<'_>) -> Result<Self::Response, ApiError>;

    /// The secrets among the parameters. Errors do not repeat them.
    fn secrets(&self) -> Vec<&Secret> {
        Vec::new()
    }

    /// The JSON body. Its buffer is large enough from the start: reallocating it would leave copies of secrets in memory.
    fn body(&self) -> Zeroizing<Vec<u8>> {
        let secrets: usize = self.secrets().into_iter().map(|secret| secret.expose().len()).sum();
        let mut body = Zeroizing::new(Vec::with_capacity(BODY_BYTES + 2 * secrets));
        serde_json::to_writer(&mut *body, self).expect("numbers and texts are always JSON");
        body
    }
}

/// A secret among the parameters. It is serialized as plain text.
#[derive(Debug, Clone, Copy)]
pub(super) struct SecretParameter<'a>(pub(super) &'a Secret);

impl Serialize for SecretParameter<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

/// A response with the server's time.
#[derive(Debug)]
pub struct WithServerTime<T> {
    /// The response.
    pub value: T,
    /// The server's time, from the `Date` header.
    pub server_time: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::role::Role, tencent::assume_role_with_web_identity::AssumeRoleWithWebIdentity};

    #[test]
    fn buffer_of_a_body_never_grows() {
        let token = Secret::new("\"".repeat(20_000));
        let role = Role::new("qcs::cam::uin/1:roleName/r");
        let body = AssumeRoleWithWebIdentity::new(&role, "tke", &token).body();
        assert_eq!(body.capacity(), BODY_BYTES + 2 * token.expose().len());
    }
}
