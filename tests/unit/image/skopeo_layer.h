// A layer that skopeo 1.9.3 has encrypted for three keys, made for this test, and the keys.
//
//   skopeo copy --encryption-key jwe:rsa.pub --encryption-key jwe:ec.pub
//       --encryption-key pkcs7:x.crt oci:plain oci:encrypted
#ifndef CRISP_TESTS_UNIT_IMAGE_SKOPEO_LAYER_H_
#define CRISP_TESTS_UNIT_IMAGE_SKOPEO_LAYER_H_

namespace crisp::image {

inline constexpr char kSkopeoBlob[] =
    "tAXGCFNsXjCwk4TU/0dRE338pCixRXt+q7BSlrPLxU0EI7RWWZXrScyTNw+X1+bcvNeQVcmEXeb4pI31mJr2A3Fo"
    "jhhY00z22DOA/8Yp02VyiTGFM+0lVmP8Q/1hSOwVm5Yije0YIJU0UjXMqbaZbCVlkeSmq07Rf+RUrhxT";
inline constexpr char kSkopeoDiffId[] =
    "sha256:d1270e9272cee92cbf74536fef237816a928dd62225f5b9c936cbb18fe21d997";
inline constexpr char kSkopeoJwe[] =
    "eyJwcm90ZWN0ZWQiOiJleUpsYm1NaU9pSkJNalUyUjBOTkluMCIsInJlY2lwaWVudHMiOlt7ImhlYWRlciI6eyJh"
    "bGciOiJSU0EtT0FFUCJ9LCJlbmNyeXB0ZWRfa2V5IjoiVEdpWmlvWlY2Q1V4a0p0U1VBTWszdFdRUVdFdXprQ3lX"
    "M25rSWpWQlVIajhBbzN3TjRneFlqWHVyd1JtWjdIRkN2d3Y5emVEVjFSeFdnNnc2UEgzbnZmNzRaV3YxQU9TYkNX"
    "MzVldFRCbmNJYXh5SmdwTS01eU1YVEZJOUdOUTNSSmlYaHYyMUtHVktlbURaMy1pbGtIUlJhcGt5aHN2ZkFHdG5X"
    "N2xkR0JiU3djOEMzc2o5QUJqSmFwU0REZHZXM1JlaEdtWTZnQmpRbHVZTi1GUml3R3BSZXM0T21LNkxVeEtYdms3"
    "MEVfMGNWQm45VHF3cmh6NUNJV0FqX3BBTUZ6aF9ZcktiTnY0UUhEUXlnOVZoUkljM3RWTFhPV1FJR3MxdW85c3VC"
    "dm9GOGVJcUlKLVhMZUk1WVF4elA4RlUyb1YyUy02eHRYMHRPeXF4MXVReW1RIn0seyJoZWFkZXIiOnsiYWxnIjoi"
    "RUNESC1FUytBMjU2S1ciLCJlcGsiOnsia3R5IjoiRUMiLCJjcnYiOiJQLTI1NiIsIngiOiJDd3Q1M3NBXzU3NXJf"
    "Q2V6Z1Z5N2lUTXplVWZkcXVsUWFtWDRjNktJUlI4IiwieSI6Il9uZVBYMWktVkhvQ1c1ZHFpbzVObmNTMVJxeHA0"
    "R3NTVHA5Yk5idEpTdHMifX0sImVuY3J5cHRlZF9rZXkiOiIzbVI2RnZHMVk1VktKeUI3UGdfZUR4NXlXbGExUlB1"
    "OHF4RGR2Q2pzYTM0VWhvZFFwR05fMFEifV0sImVuY3J5cHRlZF9rZXkiOiJUR2laaW9aVjZDVXhrSnRTVUFNazN0"
    "V1FRV0V1emtDeVczbmtJalZCVUhqOEFvM3dONGd4WWpYdXJ3Um1aN0hGQ3Z3djl6ZURWMVJ4V2c2dzZQSDNudmY3"
    "NFpXdjFBT1NiQ1czNWV0VEJuY0lheHlKZ3BNLTV5TVhURkk5R05RM1JKaVhodjIxS0dWS2VtRFozLWlsa0hSUmFw"
    "a3loc3ZmQUd0blc3bGRHQmJTd2M4QzNzajlBQmpKYXBTRERkdlczUmVoR21ZNmdCalFsdVlOLUZSaXdHcFJlczRP"
    "bUs2TFV4S1h2azcwRV8wY1ZCbjlUcXdyaHo1Q0lXQWpfcEFNRnpoX1lyS2JOdjRRSERReWc5VmhSSWMzdFZMWE9X"
    "UUlHczF1bzlzdUJ2b0Y4ZUlxSUotWExlSTVZUXh6UDhGVTJvVjJTLTZ4dFgwdE95cXgxdVF5bVEiLCJpdiI6Im9V"
    "cklNUS1EbE9obU1ocDEiLCJjaXBoZXJ0ZXh0IjoiV2c2UUFtLU5uZmltSEEtRVU1OUlyNy1wbmJKMXlGZl84X3VT"
    "dUZqZzFROE9reVVKVXlNLUZmaDk4aHpoN05zMkZYM2RrSDB4aHJZZHoyT1psQlVpQWZzbXZjYkdSUXpCeWtISFhw"
    "WlV3SVgwU2FYQ29NOUE0WkJnRGd0QnJLSEY1Y3hjYlZad0JwdE8zejk5aTZyR29Oc1IyaHphNHFRcDlPYVRPb01q"
    "MlAwX2lKWnVfLWFjNHczRkpXS2YyUmF3YWFyT3p1TFZmZEU0ck1qdnpmM0VLQ1gxS1hoWlJkc3hkOGdLRDJveFhn"
    "WnlHSFROOE4wa0h6RTBqUUwwU2hFc2N3IiwidGFnIjoiNHdqWFBEcDZEU0pKT1paSHA0YXVmZyJ9";
inline constexpr char kSkopeoPkcs7[] =
    "MIICYQYJKoZIhvcNAQcDoIICUjCCAk4CAQAxggE/MIIBOwIBADAlMA0xCzAJBgNVBAMMAm1lAhRDcRwC23OQH3hC"
    "KFulDxqxb8Vl/DALBgkqhkiG9w0BAQEEggEAFwXGBr3fn9JCz7CqMsa4UzVzFbeVHMogRhInMIAiu0c3O2F6FYzP"
    "+yBoIp0GxVNVYI4mXZX5ka6ac/sr7P+lkVhPBhlXI9O6yOh8ki/LXAVg4tffKpSC2d7sgWTrO3Tshmc9e1I7q+Ma"
    "/bihzTtB2JAg8gBCjGaJ2XGslHc/cdZLWFOIs+gpqa37m9PZ3bSf9ezxmeeHXYp2Co9KCWJ98F3LqBAPHrWhY6Hf"
    "esDwNuTZOJQA57OROHcdZYOQ/W4V4UlcryfaMhOMSl6NQzM4+e2DSy7rzpmoLNbYiSLl/OGPjzB+CEG2QgMTd3m4"
    "zMUYyXr6ctZe5kLoExJQIR2ybDCCAQQGCSqGSIb3DQEHATAgBglghkgBZQMEAQYQEzARhAwijdQbLXieMX+MZpoC"
    "ARCggdQEgdHCw7wkV+0cNrTMd/QBNMtC8+os+SbNpMUbF/cEZgLDBebcGuDXyIw1CH8S38DAw8XMiqh4UEpEH8od"
    "LQgAW+fJUCQk36Ofl9xyPsLyOaMF3IGd/GYQA13Gk8OefmeFHB0JlUZkC2FHZc/6tsC2n3GWsVOajLo6lPLW9QNC"
    "UvOnhM2nq1+rTNbQKcSTi4BbSbQcj6og+qN/X/pE79xUUrKIh9qnyl+mAs2PuYIllkt+hNG+9usc+NqJ81CLEY5N"
    "fu8fXUJkANVaWaS2PnlYrzVklw==";
inline constexpr char kSkopeoPublic[] =
    "eyJjaXBoZXIiOiJBRVNfMjU2X0NUUl9ITUFDX1NIQTI1NiIsImhtYWMiOiJVNG5SRHN2N0QwVnJMeVBnbW51VjF1"
    "REQ0dlRtL2ZadmVQdjBCVnZvdGdvPSIsImNpcGhlcm9wdGlvbnMiOnt9fQ==";
inline constexpr char kSkopeoRsaKey[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQDrjRNU0ZIxw3eE\n"
    "Frpt5byFFnalcqvg+BRZRiBeqTP3YeLL0u/wZh/uvflgtWoWOISWMXfYZozegaHQ\n"
    "0lxyW/FMHx51X2+2URwwQ7gbr+0FHUYBrtTUgh5lLajo5sbdz66DDGVRs7fgvhaX\n"
    "/u/oLsPilOIlsaGB0kDDR8oF8cAf9E7Nq31hGcHXBqA3LD26N9Yin1TTfWbpolB+\n"
    "XHcAVCZ7rDC90L9gxdZtIuZlOCR9z89/jig/7VN7eeaOuSHi01tct1Rq+4NJZnTz\n"
    "Gd/U+NDWL93NPo1szbAL9qZDybmC15FaZKVqGdHDM3EH/2BeH8CEhqkZGit7CaeL\n"
    "hSuoCXPHAgMBAAECggEAF09bMeIZYxZSXf53zYdWHB+Idz/9VWKHdPw1GNkKvPjx\n"
    "XjVOLE6W62PeaV0alf9a05gqoX4og551enpOzrxdiShtNbVPk028ieQxtH+453Ap\n"
    "rOH1yt/jjSSzGfU4idvTC8HuxuKPmEyHZNxENohmNyZ/qLZG4teBNDIHAoaVejPc\n"
    "+9/fodTLlJKEFkojSX1hDjFVMdtWR0sUMKP0BRqigzsCFwjng2H06Jqg0IBIma96\n"
    "u0iBLP9Pnz382G3XI3uWwjyHEABjuTmZf76oTku3lqDWPKLyGU6WJXA+CVSIjFpm\n"
    "IY75xQhZ/3X4Cn8bjAfV+Nq5TYQNl/3/YpHqGPkfdQKBgQD3xdlLkkMmJqmUDJlU\n"
    "cotaxH87PRY5/y82uwxqwSuBVn8QjLTR3wWaaLpCs5rdp9SCyWyCOaqqPpKouih0\n"
    "X4zoXdBujYXDQnFkMaClfi53hxMul1dnZB80nxl2acl/I7il0KjVZc/mI4lWydAh\n"
    "nw87wwp1ukwY+dr7xJcrb2/1fQKBgQDzX1ZtgJYsKgOx4Vfba4cyvDFz367LE+G+\n"
    "QbLSZbKeAYgY/IMRZVn9HXjx4lHcM6CdTeUAGdvtwqbv5RO+fja1th9uQwFbJnal\n"
    "N/beDcPcNN2cxyKqADUV9bNOslP+asRt+iXIopHCa+/UtpIBBn602IJ9h69CcUBh\n"
    "HKH9WBIBkwKBgCa007NIkBDfrVIhfbqBgl+VnsKkUlqRENEd+1yZ/K/h0UvGj2DR\n"
    "1FBA2Agfgqvp0fr0eG0HkS+zQrn1CujTHHIYZb0/gov0Tz51ukDgK2YkxcxbfB38\n"
    "uBtCV3n2ILIp5GiS5i0gEJBFMOlL8aWu8XRGjdXCWqz0K091cKAqcnUJAoGAUbZM\n"
    "2m81/JYOr4atbOppdkthfzo3AdAnFy4P0Dx9ADgbbeg6SXjyAd4HYY9PVNOwtaAV\n"
    "pzcHdIjKa/lJ68eMru37F5Y/uk7rvwVPSbbtb94AGkdyCAoRyNG55k5RjTZjxVkb\n"
    "noWW0uRSneS+mMGJgUbAaU1JNtG3f+ORL/KF+SkCgYAGj5mtqXpT3ByM7PwpnZjh\n"
    "UF7OUqUvHtPof1N5a0hdR8VtJMODvJXVvB8ZVQlQigc/IBDdzdbbmTVbN3qRYXih\n"
    "k5SqgDtKrAjgxtok9PAJftNL/BPGcaoQz2cRFJSK+g+98/SnoYzVPhBxAi5iKsg6\n"
    "YXtbgKIaT0b/9Z7+oD5aKg==\n"
    "-----END PRIVATE KEY-----\n";
inline constexpr char kSkopeoEcKey[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgvmtx8m62rISROoEL\n"
    "dPH9AWEKNNrg4pTfFA4D0w+2gfyhRANCAARv6aNhOIwitRuwThwbuomrOhtKqMm6\n"
    "z6urbpnn7uM89qEIez7KoKGB8tqIc/jR9P8txmpKnEJlQNrH01KxcZt3\n"
    "-----END PRIVATE KEY-----\n";
inline constexpr char kSkopeoPkcs7Key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDLxPJDCrXgRS96\n"
    "suZoFboJTk5ej7DR+Bm8l8gExQxIfJvKPwJth5GBdULltrLtK9PBKVkpjoRxGjZm\n"
    "Xi5WljFlwjefnQJXW1IYtUeZ66A4hDlhJjah+7IjrynfbTaYMm9WlkcQoaFmtPAk\n"
    "B/ZpydX7u9fDgbMrJqdTspcAdR8EkvkgoEZCgS6V9OsrjD1feAEoBpJwfhMHWP4x\n"
    "Ocm776uKfOMc0vIRqtFxSN8w4bi8s25SYkm3JVwqMndChEIA+c04SuPuyN14+Hpn\n"
    "NvbROOVN4b/70Q6QVrCMPpiof3JbDsxvTQQcjEUlvoovSmM0v3b+gP1h5jguDnwv\n"
    "kLlq0P9LAgMBAAECggEAQwQo8SeqnXHjpaUE5iKPJtRcLflwG/5O6Jm6rObpnUVu\n"
    "L1v9vmwhzMP2Fnq56grJ//NLYcF/iXsnfQ9oig2nfWIczR/kTzq3i2zDebnm3e+O\n"
    "t4bL3QZcliPbz6GpnPCpcX7HLI8b+B12BUOhJTW+bKZg1enoNT7nNT29L+dVJjlh\n"
    "7MGIhD/majHFmX8ZIOE5d2A0ds/HeMfuUsHg+rUjNenlEzZBiimeDjOHlLX58mzK\n"
    "Z/Owq8UNtwkaQ4421UtMXsVXshrGRb2NG8Wll7aiKsYxJnHv7XtzYWn7BANAlERk\n"
    "1NCEVJzni5cN8pNG7h7mdJMMfOy1bmmxfBEO1qaOgQKBgQDrXvsLeLQkdBo8VQcn\n"
    "iaYIseYCLyZDYJrVvznB7Prg35nPCADU1mRBfqEqVE79CNfD33PlQ5zPPYluqbtU\n"
    "/KnElxpEQ0nUZdrvwN5w4TEKDZgSXplcDO9cbAsQlV9KLyFOxNOdeUXaHg+y6P1c\n"
    "RjHfwbYA/VrJ8FMMNJVLD56eIQKBgQDdoOsfl5ppSnK2ftu1s65b155kUkz5zv1a\n"
    "5CktEmrBpvRWCKqgKQTCpEVXscXwjRUR8AUqVLoz/MGIVu6qs2FUsKhK034tAkB/\n"
    "ch/4xgG0nCQx3tZ3cXn9Pv6T/9uSPX6LmGeqqBs1B9eVw8GqoTwhZg9cpTy0ZeMn\n"
    "45PmLST36wKBgFmfuiI9HQNAfnj4u5evj1yCOR4dzAkd8PdxMFIKpeEY451047Qn\n"
    "ytcxm7bdkZJCWr6ICL6FB2HWgc10rhOHfjGQg/z4TlWlTz+6BjmfVigI0x4zjVwC\n"
    "xOZBcdknt7gsyBcRVa8B7bpHdhzfIRKQ3A7i2SX5UyfP7h+YqjyBvxlhAoGBAI2J\n"
    "H77MNYs6RSnwt+VBO39hosCUop4CJ2BtRzKGiXDkazOqUzT3HRgkijgnyq4Fm0ga\n"
    "TWIsO8HJj9q/Eaon5meMbd1jVTfvMTtyqaJY6WvrL1493h7ndC1bln7zrcilxvPl\n"
    "P4cH1mA2guIc4shSMbFumS7kQ3E9hCTMPH6JpAtDAoGAN7/EHTcixm5POureL6pN\n"
    "pTaZ3j/IN9XPB6a4fiU17KLKwa1fi6dh77SuBTamOJRwxdeRSycbfoQoCgFT+Y5T\n"
    "9dDWqk9Abt0UfZHFx/ODCMBorigCh3bMOjHKA8oTIMOSePDCBnlVSTUtnW9jUGtx\n"
    "DY4o/EVAfRufcn6+Kt3mtgU=\n"
    "-----END PRIVATE KEY-----\n";

}  // namespace crisp::image

#endif  // CRISP_TESTS_UNIT_IMAGE_SKOPEO_LAYER_H_
