"""The variables that are there without being given."""

from __future__ import annotations

VARIABLES = {
    "BUILDPLATFORM": "The platform of this machine, like `linux/amd64`.",
    "BUILDOS": "The operating system of this machine, `linux`.",
    "BUILDOSVERSION": "The version in this machine's platform, if there is one.",
    "BUILDARCH": "The architecture of this machine, like `amd64`.",
    "BUILDVARIANT": "The variant of this machine's architecture, like `v7`.",
    "TARGETPLATFORM": "The platform that is built for, like `linux/arm64`.",
    "TARGETOS": "The operating system that is built for, `linux`.",
    "TARGETOSVERSION": "The version in the platform that is built for.",
    "TARGETARCH": "The architecture that is built for, like `arm64`.",
    "TARGETVARIANT": "The variant of the architecture that is built for, like `v7`.",
    "TARGETSTAGE": "The name of the stage that is built.",
}
