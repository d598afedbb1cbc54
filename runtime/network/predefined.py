"""The networks that are there without being made, and their IDs: sha256 of
`lamina:NAME`. Who starts a container on one needs no more of a network than that."""

from __future__ import annotations

BRIDGE, HOST, NONE, DEFAULT = "bridge", "host", "none", "default"
PREDEFINED = {
    BRIDGE: "6b1599bb42663372fd1fd487306d992fc8eec7eea8591c53bf4f4615938a3144",
    HOST: "5200d74615a6b5eb39203e2cba9ae1e2370b64294c23aaa2369979fb17a9fa07",
    NONE: "0ebfc0669df62cf299476f70b14ed5338c5a593a9f01f0994474722d5dd55908",
}
