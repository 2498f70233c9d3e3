//! Services of tonic keep their name behind the layer.

use tonic::server::NamedService;

use super::AllowedOriginsService;

impl<Inner: NamedService, R> NamedService for AllowedOriginsService<Inner, R> {
    const NAME: &'static str = Inner::NAME;
}
