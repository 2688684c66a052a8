/// A self-signed certificate for "localhost" with its key, made for these tests and good for
/// nothing else.
enum TestCertificate {
    static let key = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgpZNsC71mrK0BMyaZ
        61ZjxYFxUf4NB585c2gLmeN2oQehRANCAARic79iknG1TG2yY983Ddun+9bpUdLm
        8HyCEOMQFlCjdKQIpophAZeRSV2hleMUTjMdLq7rxpM9IhPOKh89Ll53
        -----END PRIVATE KEY-----
        """

    static let certificate = """
        -----BEGIN CERTIFICATE-----
        MIIBgDCCASWgAwIBAgIUInbXonaBZ/8PzVpKS8DPbxiR84QwCgYIKoZIzj0EAwIw
        FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNDE2MTgzOVoYDzIxMjYxMDMx
        MTYxODM5WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
        PQMBBwNCAARic79iknG1TG2yY983Ddun+9bpUdLm8HyCEOMQFlCjdKQIpophAZeR
        SV2hleMUTjMdLq7rxpM9IhPOKh89Ll53o1MwUTAdBgNVHQ4EFgQUbQjYYHfBvoAq
        x/bFlSRlsO4B6b4wHwYDVR0jBBgwFoAUbQjYYHfBvoAqx/bFlSRlsO4B6b4wDwYD
        VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEA8FGATbYlAc4LhMhQdCYP
        yWWuz02Mp2yOLYd0DElj8hYCIQDMxsx4DYfDa4+wgEs6VrdJwOQkGqSiX98nbm/C
        HEOd4w==
        -----END CERTIFICATE-----
        """
}
