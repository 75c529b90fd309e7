// Gives the mediasoup worker the libsrtp 3 calls it makes, on top of the libsrtp 2 that distributions ship.
//
// libsrtp 3 has an opaque policy built by setters, and protects from one buffer into another; libsrtp 2 has a plain
// policy struct and works in place. The calls below keep libsrtp 3's names and signatures and are overloads of, or
// additions to, libsrtp 2's: nothing of the library is renamed but its policy struct.
// Not here: MKIs, EKT, cryptex and receiver-side stream policies. The worker uses none of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

#define srtp_policy_t srtp2_policy_t
#include <srtp2/srtp.h>
#undef srtp_policy_t

// Status codes libsrtp 2 lacks. They follow its last one, so they stay within the enumeration's range.
inline constexpr auto srtp_err_status_buffer_small = static_cast<srtp_err_status_t>(28);
inline constexpr auto srtp_err_status_cryptex_err  = static_cast<srtp_err_status_t>(29);
static_assert(srtp_err_status_pkt_idx_adv == 27, "libsrtp has new status codes: number the two above after them");

struct srtp_policy
{
	srtp2_policy_t legacy{};
	// Master key followed by master salt, as libsrtp 2 wants them.
	unsigned char key[SRTP_MAX_KEY_LEN]{};
};
using srtp_policy_t = srtp_policy*;

inline srtp_err_status_t srtp_policy_create(srtp_policy_t* policy)
{
	*policy = new (std::nothrow) srtp_policy;

	return *policy ? srtp_err_status_ok : srtp_err_status_alloc_fail;
}

inline void srtp_policy_destroy(srtp_policy_t policy)
{
	if (policy)
	{
		// The compiler may drop a plain memset() of memory about to be freed.
		volatile unsigned char* key = policy->key;

		for (size_t i{ 0 }; i < sizeof(policy->key); ++i)
		{
			key[i] = 0;
		}
	}

	delete policy;
}

inline srtp_err_status_t srtp_policy_set_ssrc(srtp_policy_t policy, srtp_ssrc_t ssrc)
{
	policy->legacy.ssrc = ssrc;

	return srtp_err_status_ok;
}

inline srtp_err_status_t srtp_policy_set_profile(srtp_policy_t policy, srtp_profile_t profile)
{
	const srtp_err_status_t status = srtp_crypto_policy_set_from_profile_for_rtp(&policy->legacy.rtp, profile);

	if (status != srtp_err_status_ok)
	{
		return status;
	}

	return srtp_crypto_policy_set_from_profile_for_rtcp(&policy->legacy.rtcp, profile);
}

inline srtp_err_status_t srtp_policy_add_key(
  srtp_policy_t policy,
  const uint8_t* key,
  size_t keyLen,
  const uint8_t* salt,
  size_t saltLen,
  const uint8_t* /*mki*/,
  size_t mkiLen)
{
	if (mkiLen != 0 || keyLen + saltLen > sizeof(policy->key))
	{
		return srtp_err_status_bad_param;
	}

	std::memcpy(policy->key, key, keyLen);
	std::memcpy(policy->key + keyLen, salt, saltLen);
	policy->legacy.key = policy->key;

	return srtp_err_status_ok;
}

inline srtp_err_status_t srtp_policy_set_allow_repeat_tx(srtp_policy_t policy, bool allow)
{
	policy->legacy.allow_repeat_tx = allow ? 1 : 0;

	return srtp_err_status_ok;
}

inline srtp_err_status_t srtp_policy_set_window_size(srtp_policy_t policy, size_t windowSize)
{
	policy->legacy.window_size = windowSize;

	return srtp_err_status_ok;
}

// libsrtp 2 copies what it needs of the policy, key included, so the policy may be destroyed after this.
inline srtp_err_status_t srtp_create(srtp_t* session, srtp_policy_t policy)
{
	return srtp_create(session, &policy->legacy);
}

inline srtp_err_status_t srtp_stream_remove(srtp_t session, uint32_t ssrcNetworkOrder)
{
	return srtp_remove_stream(session, ssrcNetworkOrder);
}

namespace srtp_shim
{
	using InPlace = srtp_err_status_t (*)(srtp_t, void*, int*);

	inline srtp_err_status_t transform(
	  InPlace inPlace, size_t growth, srtp_t session, const uint8_t* in, size_t inLen, uint8_t* out, size_t* outLen)
	{
		if (*outLen < inLen + growth)
		{
			return srtp_err_status_buffer_small;
		}

		if (out != in)
		{
			std::memcpy(out, in, inLen);
		}

		int len                        = static_cast<int>(inLen);
		const srtp_err_status_t status = inPlace(session, out, &len);

		*outLen = static_cast<size_t>(len);

		return status;
	}
} // namespace srtp_shim

inline srtp_err_status_t srtp_protect(
  srtp_t session, const uint8_t* rtp, size_t rtpLen, uint8_t* srtp, size_t* srtpLen, size_t /*mkiIndex*/)
{
	return srtp_shim::transform(
	  static_cast<srtp_shim::InPlace>(srtp_protect), SRTP_MAX_TRAILER_LEN, session, rtp, rtpLen, srtp, srtpLen);
}

inline srtp_err_status_t srtp_protect_rtcp(
  srtp_t session, const uint8_t* rtcp, size_t rtcpLen, uint8_t* srtcp, size_t* srtcpLen, size_t /*mkiIndex*/)
{
	// SRTCP adds a 4-byte index to what SRTP adds (RFC 3711 3.4).
	return srtp_shim::transform(
	  static_cast<srtp_shim::InPlace>(srtp_protect_rtcp),
	  SRTP_MAX_TRAILER_LEN + 4,
	  session,
	  rtcp,
	  rtcpLen,
	  srtcp,
	  srtcpLen);
}

inline srtp_err_status_t srtp_unprotect(
  srtp_t session, const uint8_t* srtp, size_t srtpLen, uint8_t* rtp, size_t* rtpLen)
{
	return srtp_shim::transform(
	  static_cast<srtp_shim::InPlace>(srtp_unprotect), 0, session, srtp, srtpLen, rtp, rtpLen);
}

inline srtp_err_status_t srtp_unprotect_rtcp(
  srtp_t session, const uint8_t* srtcp, size_t srtcpLen, uint8_t* rtcp, size_t* rtcpLen)
{
	return srtp_shim::transform(
	  static_cast<srtp_shim::InPlace>(srtp_unprotect_rtcp), 0, session, srtcp, srtcpLen, rtcp, rtcpLen);
}
